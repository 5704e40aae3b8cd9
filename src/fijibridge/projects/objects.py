"""Object Classification: what a project makes of the objects of an image, frame by frame.

Decisions where ilastik is silent: a frame is computed as a whole (its objects may be anywhere), so
memory grows with a frame, not with the movie; images whose sizes differ are refused at once.

Source: ilastik objectClassificationWorkflow.py, opObjectExtraction.py, opObjectClassification.py,
opBlockwiseObjectClassification.py; spec/ilastik-export.md 7, spec/ilastik-projects.md 6.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError, SettingsError
from fijibridge.model import Extra
from fijibridge.projects.describe import label_extra, result_axes, scales_of
from fijibridge.projects.forest import Predictor
from fijibridge.projects.object_features import PLUGIN, check_features, measure
from fijibridge.projects.segment import connected, consecutive, thresholded
from fijibridge.projects.tiles import TileCache, box_of, czyx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model import ImageSource, ImageSpec, Region
    from fijibridge.model.project import ObjectStage

__all__ = ["IDENTITIES", "OBJECT_SOURCES", "Frame", "ObjectResult", "Objects"]

IDENTITIES = "Object Identities"
#: ilastik's names of the results, in its order.
OBJECT_SOURCES = (
    "Object Predictions",
    "Object Probabilities",
    "Blockwise Object Predictions",
    "Blockwise Object Probabilities",
    IDENTITIES,
)
_REMEMBERED = 1 << 28  # bytes of frames
_SIDE = 1024
_WORDS = {
    "probabilities": "probabilities",
    "segmentation": "segmentation",
    "labels": "label image",
    "pixels": "image",
}


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The objects of one frame, or of a block of it.

    Parameters
    ----------
    labels
        uint32, (z, y, x): objects from 1.
    originals
        int64: what an object was called in the label image.
    features
        Name -> float64, (objects, values), of the features that the forest looks at.
    places
        The same of those that tables always have.
    probabilities
        float32, (objects, classes).
    """

    labels: np.ndarray
    originals: np.ndarray
    features: dict[str, np.ndarray]
    places: dict[str, np.ndarray]
    probabilities: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        values = (*self.features.values(), *self.places.values(), self.probabilities)
        return self.labels.nbytes + sum(v.nbytes for v in values)

    def predictions(self) -> np.ndarray:
        """Return the class of each object, from 1."""
        if not self.probabilities.shape[1]:
            return np.zeros(len(self.probabilities), np.int64)
        found: np.ndarray = self.probabilities.argmax(axis=1) + 1
        return found


class Objects:
    """The objects of an image, computed when they are asked for.

    Parameters
    ----------
    raw
        Grey values.
    second
        Where objects come from: probabilities, a segmentation or a label image.
    stage
        The object classifier.

    Raises
    ------
    SettingsError
        When the images do not fit together.
    """

    def __init__(self, raw: ImageSource, second: ImageSource, stage: ObjectStage) -> None:
        self.raw, self.second, self.stage = raw, second, stage
        one, other = raw.spec.axes, second.spec.axes
        word = _WORDS[stage.origin]
        for key in "tzyx":
            if one.size(key) != other.size(key):
                raise SettingsError(
                    f"The {word} has {other.size(key)} samples along {key}, the raw data "
                    f"{one.size(key)}; they must be alike but for channels.",
                    "Check which image belongs to which, and their axes.",
                )
        if stage.origin in ("segmentation", "labels") and other.size("c") != 1:
            raise SettingsError(f"The {word} has {other.size('c')} channels; it has one.")
        if raw.spec.dtype.kind not in "biuf" or second.spec.dtype.kind not in "biuf":
            raise SettingsError("Complex numbers and colours in one value have no objects.")
        self._predictor: Predictor | None = None
        self._frames = TileCache(_REMEMBERED)

    def __reduce__(self) -> tuple[Any, ...]:
        return Objects, (self.raw, self.second, self.stage)

    @property
    def names(self) -> tuple[str, ...]:
        """Features that the forest looks at, in its order."""
        return tuple(sorted(self.stage.features.get(PLUGIN, ())))

    def classifier(self) -> Predictor:
        """Return what classifies the objects.

        Raises
        ------
        FormatError
            When the project was not trained.
        UnsupportedError
            When it uses features that are not computed here.
        """
        if self._predictor is None:
            if self.stage.forest is None:
                raise FormatError(
                    "The project holds no trained classifier of objects; it finds them only.",
                    "Open it in ilastik, label some objects, press Live Update once, and save it; "
                    f"or export {IDENTITIES!r}, which needs none.",
                )
            check_features(self.stage.features)
            self._predictor = Predictor(self.stage.forest, self.stage.classes)
        return self._predictor

    def found(self, t: int) -> Frame:
        """Return the objects of a frame, neither measured nor classified."""
        sizes = tuple(self.raw.spec.axes.size(k) for k in "zyx")

        def compute() -> Frame:
            labels, originals = self._segmented(t, (0, 0, 0), sizes, parts=False)
            return Frame(labels, originals, {}, {}, np.empty((len(originals), 0), np.float32))

        found: Frame = self._frames.get(("found", t), compute)
        return found

    def frame(self, t: int) -> Frame:
        """Return the objects of a frame, computed now or before."""
        sizes = tuple(self.raw.spec.axes.size(k) for k in "zyx")
        found: Frame = self._frames.get(t, partial(self._frame, t, (0, 0, 0), sizes))
        return found

    def block(self, t: int, number: tuple[int, ...]) -> tuple[Frame, tuple[int, ...]]:
        """Return the objects of a block with its halo, and where that begins."""
        low, high = [], []
        for i, key in enumerate("zyx"):
            side, halo = self.stage.block[i], self.stage.halo[i]
            low.append(max(number[i] * side - halo, 0))
            high.append(min((number[i] + 1) * side + halo, self.raw.spec.axes.size(key)))
        make = partial(self._frame, t, tuple(low), tuple(high), parts=True)
        found: Frame = self._frames.get((t, number), make)
        return found, tuple(low)

    def _frame(
        self, t: int, start: Sequence[int], stop: Sequence[int], *, parts: bool = False
    ) -> Frame:
        predictor = self.classifier()
        labels, originals = self._segmented(t, start, stop, parts=parts)
        count = len(originals)
        raw = read_czyx(self.raw, t, start, stop)
        deep = self.raw.spec.axes.size("z") > 1 if not parts else stop[0] - start[0] > 1
        places = measure(raw, labels, count, _PLACES, deep=deep)
        features = measure(raw, labels, count, self.names, self.stage.margin, deep=deep)
        matrix = np.concatenate(list(features.values()), axis=1) if features else np.empty((0, 0))
        columns = predictor.columns
        if matrix.shape[1] != columns:
            raise SettingsError(
                f"The objects have {matrix.shape[1]} features; the project was trained on "
                f"{columns}. It wants another number of channels, or of planes.",
                "Say what the axes are: --input_axes zyxc.",
            )
        plain = np.where(np.isfinite(matrix), matrix, 0.0).astype(np.float32)
        probabilities = predictor.predict(np.ascontiguousarray(plain.T)).T
        return Frame(labels, originals, features, places, np.ascontiguousarray(probabilities))

    def _segmented(
        self, t: int, start: Sequence[int], stop: Sequence[int], *, parts: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the objects of a part, numbered from 1, and what they were called before."""
        if self.stage.origin in ("pixels", "probabilities"):
            # thresholds are those of the whole frame, also for a block
            found = self._frames.get(("thresholds", t), partial(self._thresholded, t))
            count = int(found.max(initial=0))
            if parts:
                box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
                found, count = connected(found[box])
            return found, np.arange(1, count + 1)
        data = read_czyx(self.second, t, start, stop)[0]
        if self.stage.origin == "labels" and not parts:
            return consecutive(data)
        found, count = connected(data)
        return found, np.arange(1, count + 1)

    def _thresholded(self, t: int) -> np.ndarray:
        whole = [self.raw.spec.axes.size(k) for k in "zyx"]
        data = read_czyx(self.second, t, (0, 0, 0), whole)
        drange = self.second.spec.extra.drange
        ends = None if drange is None else (float(drange[0]), float(drange[1]))
        return thresholded(data, self.stage.thresholds, ends)[0]

    def close(self) -> None:
        """Close the images."""
        self.raw.close()
        self.second.close()


_PLACES = ("Coord<Minimum>", "Coord<Maximum>", "RegionCenter", "Count")


def read_czyx(source: ImageSource, t: int, start: Sequence[int], stop: Sequence[int]) -> np.ndarray:
    """Return a part of a frame, (c, z, y, x)."""
    axes = source.spec.axes
    ends = {k: (int(a), int(b)) for k, a, b in zip("zyx", start, stop, strict=True)}
    ends |= {"t": (t, t + 1), "c": (0, axes.size("c"))}
    return czyx(source.read(box_of(axes.keys, ends)), axes.keys)


class ObjectResult:
    """One result of an object classifier.

    Parameters
    ----------
    objects
        The objects.
    kind
        One of `OBJECT_SOURCES`.
    exact
        Described as ilastik describes it.

    Raises
    ------
    FormatError, UnsupportedError
        See `Objects.classifier`; "Object Identities" need none.
    """

    def __init__(self, objects: Objects, kind: str, *, exact: bool = False) -> None:
        self._objects, self._kind, self._exact = objects, kind, exact
        self._blocks = kind.startswith("Blockwise")
        self._spec = _spec_of(objects, kind, exact=exact)
        if kind != IDENTITIES:
            objects.classifier()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._objects, self._kind, self._exact)

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    @property
    def chunks(self) -> tuple[int, ...]:
        """Planes: what is asked for of a frame costs little once the frame is known."""
        sides = {"x": _SIDE, "y": _SIDE, "c": self._spec.axes.size("c")}
        return tuple(min(sides.get(a.key, 1), a.size) for a in self._spec.axes)

    def read(self, region: Region) -> np.ndarray:
        keys = self._spec.axes.keys
        out = np.empty(region.shape, self._spec.dtype)
        ends = dict(zip(keys, zip(region.start, region.stop, strict=True), strict=True))
        box = [ends.get(k, (0, 1)) for k in "zyx"]
        channels = slice(*ends.get("c", (0, 1)))
        for i, t in enumerate(range(*ends.get("t", (0, 1)))):
            here = out[tuple(slice(i, i + 1) if k == "t" else slice(None) for k in keys)]
            target = czyx(here, keys)
            for frame, offset, part in self._frames(t, box):
                of = tuple(slice(a - o, b - o) for (a, b), o in zip(part, offset, strict=True))
                into = tuple(slice(a - m, b - m) for (a, b), (m, _) in zip(part, box, strict=True))
                self._paint(frame, frame.labels[of], target[(slice(None), *into)], channels)
        return out

    def _frames(
        self, t: int, box: list[tuple[int, int]]
    ) -> list[tuple[Frame, tuple[int, ...], list[tuple[int, int]]]]:
        """Return frames or blocks, where each begins, and which part it is asked for."""
        if self._kind == IDENTITIES:
            return [(self._objects.found(t), (0, 0, 0), box)]
        if not self._blocks:
            return [(self._objects.frame(t), (0, 0, 0), box)]
        sides = self._objects.stage.block
        ranges = [range(a // n, -(-b // n)) for (a, b), n in zip(box, sides, strict=True)]
        found = []
        for number in itertools.product(*ranges):
            frame, offset = self._objects.block(t, number)
            part = [
                (max(a, i * n), min(b, (i + 1) * n))
                for i, n, (a, b) in zip(number, sides, box, strict=True)
            ]
            found.append((frame, offset, part))
        return found

    def _paint(self, frame: Frame, labels: np.ndarray, target: np.ndarray, channels: slice) -> None:
        if self._kind == IDENTITIES:
            if channels.start < channels.stop:
                target[0] = labels
            return
        if self._kind.endswith("Predictions"):
            table = np.concatenate([[0], frame.predictions()])[None]
        else:
            zero = np.zeros((1, frame.probabilities.shape[1]), np.float32)
            table = np.concatenate([zero, frame.probabilities]).T
        for c, row in enumerate(table[channels]):
            target[c] = row.astype(self._spec.dtype)[labels]

    def close(self) -> None:
        self._objects.close()


def _again(objects: Objects, kind: str, exact: bool) -> ObjectResult:
    return ObjectResult(objects, kind, exact=exact)


def _spec_of(objects: Objects, kind: str, *, exact: bool) -> ImageSpec:
    raw, stage = objects.raw.spec, objects.stage
    many = kind.endswith("Probabilities")
    channels = stage.classes if many else 1
    extra = Extra(drange=(0.0, 1.0), display_mode="grayscale", channel_names=stage.names)
    dtype: np.dtype[Any] = np.dtype(np.float32)
    if kind == IDENTITIES:
        given = objects.second.spec.dtype
        kept = stage.origin == "labels" and given in (np.uint8, np.uint64)
        dtype, extra = given if kept else np.dtype(np.uint32), Extra()
    elif not many:
        dtype = np.dtype(np.uint8 if stage.classes < 256 else np.uint16)
        extra = label_extra(stage)
    if exact:  # ilastik's results have the range of the image that objects come from
        extra = Extra(drange=objects.second.spec.extra.drange, display_mode="default")
    return replace(
        raw,
        axes=result_axes(raw.axes, channels),
        dtype=dtype,
        role="probabilities" if many else "labels",
        scales=scales_of(raw, channels),
        extra=extra,
    )
