"""What a trained ilastik project holds, as plain values: no file, no program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fijibridge.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

__all__ = [
    "Drawn",
    "FeatureSelection",
    "Forest",
    "Lane",
    "ObjectStage",
    "PixelStage",
    "Project",
    "Thresholds",
    "Trees",
]

#: Rows of ilastik's table of features.
FEATURE_IDS = (
    "GaussianSmoothing",
    "LaplacianOfGaussian",
    "GaussianGradientMagnitude",
    "DifferenceOfGaussians",
    "StructureTensorEigenvalues",
    "HessianOfGaussianEigenvalues",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSelection:
    """Which filters at which scales.

    Parameters
    ----------
    ids
        Names of the filters, in the order of the feature vector.
    scales
        Sigmas in pixels, in the order of the columns.
    matrix
        ``matrix[i][j]``: filter i at scale j.
    in_2d
        One per scale: plane by plane; empty = for images of one plane.
    """

    ids: tuple[str, ...]
    scales: tuple[float, ...]
    matrix: tuple[tuple[bool, ...], ...]
    in_2d: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        for name in self.ids:
            if name not in FEATURE_IDS:
                raise FormatError(
                    f"The project uses the feature {name!r}; known are {', '.join(FEATURE_IDS)}."
                )
        rows = {len(row) for row in self.matrix}
        if len(self.matrix) != len(self.ids) or rows != {len(self.scales)}:
            raise FormatError(
                f"The project's table of features has {len(self.matrix)} rows of {sorted(rows)} "
                f"columns; it names {len(self.ids)} features and {len(self.scales)} scales."
            )
        if self.in_2d and len(self.in_2d) != len(self.scales):
            raise FormatError(
                f"The project says 2D or 3D for {len(self.in_2d)} of {len(self.scales)} scales."
            )
        if not all(0.05 <= s <= 1000.0 for s in self.scales):
            raise FormatError(
                f"The project has the scales {self.scales}; they lie between 0.05 and 1000 pixels."
            )

    @property
    def chosen(self) -> tuple[tuple[str, int], ...]:
        """(name, number of the scale) in the order of the feature vector."""
        return tuple(
            (name, j)
            for name, row in zip(self.ids, self.matrix, strict=True)
            for j, on in enumerate(row)
            if on
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """The decision trees of one vigra random forest, flattened.

    Parameters
    ----------
    feature
        int32 per node: column that is compared, -1 in leaves.
    threshold
        float64 per node: smaller goes left.
    left, right
        int32 per node: children; of a leaf both are its row in `votes`.
    roots
        int32 per tree.
    votes
        float64, (leaves, classes): what a leaf adds to each class.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    roots: np.ndarray
    votes: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forest:
    """A classifier: vigra forests that vote together.

    Parameters
    ----------
    forests
        In order.
    columns
        Length of the feature vector.
    classes
        Classes that the forests know.
    known_labels
        Label number (from 1) of each class.
    feature_names
        As the file says; informative only.
    """

    forests: tuple[Trees, ...]
    columns: int
    classes: int
    known_labels: tuple[int, ...]
    feature_names: tuple[str, ...] = ()

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return sum(len(one.roots) for one in self.forests)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """A block of labels that the user drew.

    Parameters
    ----------
    start
        Where it lies, in the order of the training image's axes (channel included).
    labels
        Integers; 0 is not labelled.
    """

    start: tuple[int, ...]
    labels: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """An image that a project was trained on, as far as the file says.

    Parameters
    ----------
    axes
        Letters, "" when unknown.
    shape
        In the order of `axes`.
    path
        File, relative to the project's folder or absolute.
    """

    axes: str = ""
    shape: tuple[int, ...] = ()
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PixelStage:
    """One pixel classifier.

    Parameters
    ----------
    features
        What it looks at.
    forest
        How it decides.
    label_names
        One per label of the project, trained or not.
    label_colors, map_colors
        (r, g, b) per label: of the drawn labels and of the probabilities.
    drawn
        One tuple of blocks per image of the project.
    """

    features: FeatureSelection
    forest: Forest
    label_names: tuple[str, ...]
    label_colors: tuple[tuple[int, int, int], ...] = ()
    map_colors: tuple[tuple[int, int, int], ...] = ()
    drawn: tuple[tuple[Drawn, ...], ...] = ()

    @property
    def classes(self) -> int:
        """Channels of the probabilities: all labels, trained or not."""
        return max(len(self.label_names), max(self.forest.known_labels, default=0))

    @property
    def names(self) -> tuple[str, ...]:
        """One name a channel of the probabilities."""
        more = range(len(self.label_names) + 1, self.classes + 1)
        return (*self.label_names, *(f"Label {i}" for i in more))


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """How objects are found in probabilities.

    Parameters
    ----------
    hysteresis
        Objects reach down to `low` and hold a part of `high`; without it `low` alone counts.
    low, high
        Probabilities, 0 to 1; what is as high belongs to an object.
    sigma
        Of the smoothing before, in pixels along z, y and x; below 0.1 anywhere nothing is smoothed.
    smallest, largest
        Pixels of an object that is kept.
    channel, core_channel
        What `low` and `high` look at; of two different ones hysteresis adds up for `low`.
    """

    hysteresis: bool = False
    low: float = 0.5
    high: float = 0.8
    sigma: tuple[float, float, float] = (1.0, 1.0, 1.0)
    smallest: int = 10
    largest: int = 1_000_000
    channel: int = 0
    core_channel: int = 0

    def __post_init__(self) -> None:
        if not all(0 <= s <= 1000 for s in self.sigma):
            raise FormatError(
                f"The project smooths by {self.sigma} pixels; 0 to 1000 are possible."
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectStage:
    """An object classifier.

    Parameters
    ----------
    origin
        Where objects come from: the project's own pixel classifier, an image of probabilities, of a
        segmentation, or of labels.
    features
        Plug-in -> names of the features that the forest looks at.
    margin
        How far a neighbourhood reaches, in pixels along x, y(, z); () = no such feature.
    forest
        How it decides; None = not trained: objects are found, and not classified.
    label_names, label_colors, map_colors
        As of `PixelStage`.
    thresholds
        How objects are found in probabilities.
    block, halo
        Of the blockwise results, in pixels along z, y and x.
    given
        Lane -> frame -> the label that the user gave each object (place 0 is the background).
    has_table_settings
        The project writes a table with every export; which one is a pickle, and not read.
    """

    origin: Literal["pixels", "probabilities", "segmentation", "labels"]
    features: Mapping[str, tuple[str, ...]]
    forest: Forest | None
    label_names: tuple[str, ...]
    margin: tuple[float, ...] = ()
    label_colors: tuple[tuple[int, int, int], ...] = ()
    map_colors: tuple[tuple[int, int, int], ...] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)
    block: tuple[int, int, int] = (512, 512, 512)
    halo: tuple[int, int, int] = (64, 64, 64)
    given: Mapping[int, Mapping[int, tuple[int, ...]]] = field(default_factory=dict)
    has_table_settings: bool = False

    @property
    def classes(self) -> int:
        """Channels of the probabilities: all labels, trained or not."""
        known = () if self.forest is None else self.forest.known_labels
        return max(len(self.label_names), max(known, default=0))

    @property
    def names(self) -> tuple[str, ...]:
        """One name a channel of the probabilities."""
        more = range(len(self.label_names) + 1, self.classes + 1)
        return (*self.label_names, *(f"Label {i}" for i in more))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Project:
    """A trained ilastik project.

    Parameters
    ----------
    path
        The file.
    workflow, version
        As the file says.
    stages
        One pixel classifier, or the two of Autocontext; none of Object Classification, but for the
        one that starts from pixels.
    lanes
        The images it was trained on.
    export
        The project's own Prediction Export settings, by ilastik's names.
    objects
        The object classifier.
    """

    path: str
    workflow: str
    version: str
    stages: tuple[PixelStage, ...]
    lanes: tuple[Lane, ...] = ()
    export: Mapping[str, Any] = field(default_factory=dict)
    objects: ObjectStage | None = None
