"""What a trained project makes of an image: image sources, computed block by block.

Decisions where ilastik is silent: the user's labels are those of the project's own images (ilastik
writes zeros for all others); names and colours of the labels travel with the results.

Source: ilastik opPixelClassification.py, newAutocontextWorkflow.py, slottools.py;
spec/ilastik-projects.md 4 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError, nearest
from fijibridge.projects.describe import result_spec
from fijibridge.projects.features import FeatureBank
from fijibridge.projects.forest import Predictor
from fijibridge.projects.labels import Labels
from fijibridge.projects.objects import OBJECT_SOURCES, ObjectResult, Objects
from fijibridge.projects.stacked import Stacked
from fijibridge.projects.tiles import Tiled, box_of, czyx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model import ImageSource, ImageSpec
    from fijibridge.model.project import PixelStage, Project
    from fijibridge.projects.filters import Flavor

__all__ = [
    "SECOND_FLAGS",
    "PixelResult",
    "RunSettings",
    "find_source",
    "open_objects",
    "open_result",
    "source_names",
]

Kind = Literal["Probabilities", "Simple Segmentation", "Uncertainty", "Features"]
_KINDS: tuple[Kind, ...] = ("Probabilities", "Simple Segmentation", "Uncertainty", "Features")
_PER_STAGE = (*_KINDS, "Labels", "Input")
_PIXELS = "Pixel Probabilities"
_ALL_STAGES = "Probabilities All Stages"
#: What ilastik's documentation calls it.
_MISSPELT = {"propabilities all stages": _ALL_STAGES}
_FEATURE_BYTES = 1 << 25  # of all features of a tile; in planes half of it costs no more time
_REMEMBERED = 1 << 24  # bytes of tiles


def source_names(project: Project) -> tuple[str, ...]:
    """Return ilastik's names of the results of a project, in its order."""
    if project.objects is not None:
        more = (_PIXELS, "Simple Segmentation") if project.objects.origin == "pixels" else ()
        return (*OBJECT_SOURCES, *more)
    if len(project.stages) == 1:
        return (*_KINDS, "Labels")
    stages = range(1, len(project.stages) + 1)
    return (*(f"{kind} Stage {i}" for i in stages for kind in _PER_STAGE), _ALL_STAGES)


def find_source(project: Project, name: str) -> str:
    """Return the name of a result as ilastik writes it.

    Raises
    ------
    SettingsError
        When there is none so named.
    """
    names = source_names(project)
    asked = " ".join(name.split()).lower()
    asked = _MISSPELT.get(asked, asked).lower()
    for one in names:
        if one.lower() == asked:
            return one
    raise SettingsError(
        f"export_source is {name!r}; this project has {', '.join(names)}.{nearest(name, names)}"
    )


def _tile_shape(bank: FeatureBank) -> tuple[int, int, int]:
    """Return the shape of tiles whose features fit into the processor's reach."""
    room = max(4096, _FEATURE_BYTES // (4 * max(1, bank.columns)))
    depth, height, width = bank.size
    if depth == 1:
        wide = min(width, 512)
        return 1, int(min(height, max(32, min(512, room // 2 // max(64, wide))))), wide
    if bank.halo[0] == 0:
        wide, high = min(width, 256), min(height, 256)
        return max(1, min(depth, room // max(64, wide) // high)), high, wide
    side = max(24, round(room ** (1 / 3)))
    return min(depth, side), min(height, side), min(width, max(64, side))


class PixelResult(Tiled):
    """One result of a pixel classifier.

    Parameters
    ----------
    raw
        The image; an axis it has not counts as one sample.
    stage
        The classifier.
    kind
        ``Probabilities``, ``Simple Segmentation``, ``Uncertainty`` or ``Features``.
    flavor
        Whose filters.
    mask
        Probabilities are 0 where all its channels are 0; the image's axes.
    exact
        Described as ilastik describes it.

    Raises
    ------
    SettingsError
        When the image has too few samples or other channels than the project's.
    """

    def __init__(
        self,
        raw: ImageSource,
        stage: PixelStage,
        kind: Kind,
        flavor: Flavor = "fastfilters",
        mask: ImageSource | None = None,
        *,
        exact: bool = False,
    ) -> None:
        axes = raw.spec.axes
        _check_image(raw.spec)
        z, y, x, channels = (axes.size(k) for k in "zyxc")
        self._bank = FeatureBank(stage.features, (z, y, x), channels, flavor)
        if self._bank.columns != stage.forest.columns:
            raise SettingsError(
                f"The image ({axes.keys}, {axes.shape}) has {self._bank.columns} features; the "
                f"project was trained on {stage.forest.columns}. It wants {_wanted(stage)}.",
                "Say what the axes are: --input_axes zyxc.",
            )
        self._predictor: Predictor | None = None
        self._raw, self._stage, self._kind, self._mask = raw, stage, kind, mask
        self._flavor, self._exact = flavor, exact
        if mask is not None:
            _check_mask(mask.spec, raw.spec)
        spec = result_spec(raw.spec, stage, kind, self._bank, exact=exact)
        super().__init__(spec, _tile_shape(self._bank), _REMEMBERED)

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self._raw, self._stage, self._kind, self._flavor, self._mask, self._exact)
        return _rebuilt, parts

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, ilastik's."""
        return self._bank.names

    def compute(self, t: int, start: tuple[int, ...], stop: tuple[int, ...]) -> np.ndarray:
        low, high = self._bank.reads(start, stop)
        raw = _read_czyx(self._raw, t, low, high)
        features = self._bank.compute(raw, low, start, stop)
        columns, depth, height, width = features.shape
        wide = stop[2] - start[2]
        if self._kind == "Features":
            return features[..., :wide].copy() if wide < width else features
        if self._predictor is None:
            self._predictor = Predictor(self._stage.forest, self._stage.classes)
        flat = self._predictor.predict(features.reshape(columns, -1))
        found = flat.reshape(-1, depth, height, width)[..., :wide]
        if self._mask is not None:
            inside = (_read_czyx(self._mask, t, start, stop) > 0).any(axis=0)
            found = found * inside.astype(np.float32)
        return _made_of(np.ascontiguousarray(found), self._kind)

    def close(self) -> None:
        self._raw.close()
        if self._mask is not None:
            self._mask.close()


def _rebuilt(
    raw: ImageSource,
    stage: PixelStage,
    kind: Kind,
    flavor: Flavor,
    mask: ImageSource | None,
    exact: bool,
) -> PixelResult:
    return PixelResult(raw, stage, kind, flavor, mask, exact=exact)


def _made_of(probabilities: np.ndarray, kind: Kind) -> np.ndarray:
    """Return what is made of probabilities, (c, z, y, x)."""
    if kind == "Probabilities":
        return probabilities
    found: np.ndarray
    if kind == "Simple Segmentation":
        best = probabilities.argmax(axis=0)[None] + 1
        found = best.astype(np.uint8 if len(probabilities) < 256 else np.uint16)
        return found
    if len(probabilities) < 2:
        return np.zeros_like(probabilities)
    top = np.partition(probabilities, -2, axis=0)[-2:]
    found = np.float32(1) - (top[1:] - top[:1])
    return found


def _check_image(spec: ImageSpec) -> None:
    if spec.dtype.kind not in "biuf":
        raise UnsupportedError(f"An image of {spec.dtype} has no pixel features.")
    if 0 in spec.shape or not {"x", "y"} <= set(spec.axes.keys):
        raise SettingsError(
            f"The image has the axes {spec.axes.keys!r} and the shape {spec.shape}; it needs "
            "x and y, and at least one sample."
        )


def _wanted(stage: PixelStage) -> str:
    """Return which images a project takes."""
    found = []
    for depth, where in ((1, "in a plane (yx)"), (10_000, "in a volume (zyx)")):
        one = FeatureBank(stage.features, (depth, 10_000, 10_000), 1).columns
        if one and stage.forest.columns % one == 0:
            count = stage.forest.columns // one
            found.append(f"{count} channel{'' if count == 1 else 's'} {where}")
    return " or ".join(found) or "another number of channels, or of planes"


def _check_mask(mask: ImageSpec, raw: ImageSpec) -> None:
    if any(mask.axes.size(k) != raw.axes.size(k) for k in "tzyx"):
        raise SettingsError(
            f"The prediction mask has the axes {mask.axes.keys!r} and the shape {mask.shape}, the "
            f"image {raw.axes.keys!r} and {raw.shape}; they must be alike but for channels."
        )


def _read_czyx(
    source: ImageSource, t: int, start: Sequence[int], stop: Sequence[int]
) -> np.ndarray:
    axes = source.spec.axes
    ends = {k: (a, b) for k, a, b in zip("zyx", start, stop, strict=True)}
    ends |= {"t": (t, t + 1), "c": (0, axes.size("c"))}
    return czyx(source.read(box_of(axes.keys, ends)), axes.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a project is run.

    Parameters
    ----------
    flavor
        Whose filters: ``fastfilters``, or ``vigra`` for projects made without it.
    exact
        Described as ilastik describes it; labels of other images are zeros.
    lane
        Which image of the project the input is; None = another one.
    """

    flavor: Flavor = "fastfilters"
    exact: bool = False
    lane: int | None = None


def open_result(
    project: Project,
    raw: ImageSource,
    name: str,
    settings: RunSettings,
    mask: ImageSource | None = None,
    second: ImageSource | None = None,
) -> ImageSource:
    """Return a result of a project for an image; nothing is computed yet.

    Parameters
    ----------
    project
        The trained project.
    raw
        The image; closed with the result.
    name
        ilastik's name of the result, see `source_names`.
    settings
        How.
    mask
        Prediction mask.
    second
        Of Object Classification: where objects come from, see `open_objects`.

    Raises
    ------
    SettingsError
        When there is no such result, or the image does not fit the project.
    """
    name = find_source(project, name)
    if project.objects is not None:
        if name in OBJECT_SOURCES:
            objects = open_objects(project, raw, settings, second)
            return ObjectResult(objects, name, exact=settings.exact)
        kind = "Probabilities" if name == _PIXELS else name
        return _stage_result(project, raw, 0, kind, settings, mask)
    if name == _ALL_STAGES:
        return Stacked(
            [
                _stage_result(project, raw, i, "Probabilities", settings, mask)
                for i in range(len(project.stages))
            ],
            convert=False,
        )
    kind, _, number = name.partition(" Stage ")
    return _stage_result(project, raw, int(number or 1) - 1, kind, settings, mask)


def open_objects(
    project: Project, raw: ImageSource, settings: RunSettings, second: ImageSource | None
) -> Objects:
    """Return the objects of an image.

    Parameters
    ----------
    project
        A project of Object Classification.
    raw
        The image.
    settings
        How.
    second
        Probabilities, a segmentation or labels, as the project was made for; None for projects that
        compute the probabilities themselves.

    Raises
    ------
    SettingsError
        When it is no such project, or the images do not fit.
    """
    stage = project.objects
    if stage is None:
        raise SettingsError(f"{project.path!r} is a project of {project.workflow}: no objects.")
    if stage.origin == "pixels":
        second = PixelResult(raw, project.stages[0], "Probabilities", settings.flavor)
    if second is None:
        flag = SECOND_FLAGS[stage.origin]
        raise SettingsError(
            f"The project ({project.workflow}) needs a second image for each input: {flag[1]}.",
            f"Type: --raw_data raw.h5/data --{flag[0]} objects.h5/exported_data",
        )
    return Objects(raw, second, stage)


#: Where objects come from -> (ilastik's flag, what it is).
SECOND_FLAGS = {
    "probabilities": ("prediction_maps", "its probabilities"),
    "segmentation": ("segmentation_image", "its segmentation"),
    "labels": ("label_image", "its label image"),
}


def _stage_result(
    project: Project,
    raw: ImageSource,
    index: int,
    kind: str,
    settings: RunSettings,
    mask: ImageSource | None,
) -> ImageSource:
    stage = project.stages[index]
    if kind == "Labels":
        return _labels(project, raw, index, settings)
    image = raw
    if index > 0:
        before = PixelResult(raw, project.stages[index - 1], "Probabilities", settings.flavor)
        image = Stacked([raw, before], convert=True)
    if kind == "Input":
        return image
    return PixelResult(image, stage, kind, settings.flavor, mask, exact=settings.exact)  # type: ignore[arg-type]  # one of the kinds


def _labels(project: Project, raw: ImageSource, index: int, settings: RunSettings) -> Labels:
    stage = project.stages[index]
    lane = settings.lane
    if lane is None or lane >= len(stage.drawn):
        if not settings.exact:
            raise SettingsError(
                "Labels are what the user drew on the project's own images; this image is none.",
                "Export another source, such as Probabilities.",
            )
        return Labels(raw, (), raw.spec.axes.keys, stage, exact=True)
    keys = project.lanes[lane].axes if lane < len(project.lanes) else ""
    return Labels(raw, stage.drawn[lane], keys or raw.spec.axes.keys, stage, exact=settings.exact)
