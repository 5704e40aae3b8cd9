"""The object classifier of a project: what it looks at, and how objects are found.

Decisions where ilastik is silent: the settings of its table export are a pickle, and not read.

Source: ilastik objectClassificationSerializer.py, objectExtractionSerializer.py,
thresholdTwoLevelsSerializer.py, opBlockwiseObjectClassification.py.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from fijibridge.errors import FormatError, UnsupportedError
from fijibridge.formats._ilp.forests import read_forest
from fijibridge.model.project import ObjectStage, Thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.formats._ilp.nodes import Node
    from fijibridge.model.project import Forest

__all__ = ["ORIGINS", "read_objects"]

Origin = Literal["pixels", "probabilities", "segmentation", "labels"]
_CALLED = "Object Classification (from {})"
#: Workflow -> where its objects come from.
ORIGINS: dict[str, Origin] = {
    _CALLED.format("pixel classification"): "pixels",
    _CALLED.format("prediction image"): "probabilities",
    _CALLED.format("binary image"): "segmentation",
    _CALLED.format("label image"): "labels",
}
_METHODS = ("simple", "hysteresis", "graph cut", "hysteresis that keeps cores apart")


def read_objects(root: Node, workflow: str) -> ObjectStage:
    """Return the object classifier, trained or not: objects are found without one.

    Raises
    ------
    FormatError
        When it is damaged.
    UnsupportedError
        When it is another kind of classifier, or finds objects by graph cut.
    """
    origin = ORIGINS[workflow]
    group = root.node("ObjectClassification") if "ObjectClassification" in root else None
    if group is None or "ClassifierForests" not in group:
        found = _Classifier()
    else:
        found = _classifier(root, group)
    return ObjectStage(
        origin=origin,
        features=found.features,
        margin=found.margin,
        forest=found.forest,
        label_names=() if group is None else group.label_names(),
        label_colors=() if group is None else group.colors("LabelColors"),
        map_colors=() if group is None else group.colors("PmapColors"),
        thresholds=_thresholds(root) if origin in ("pixels", "probabilities") else Thresholds(),
        block=_zyx(root, "BlockShape3dDict", 512),
        halo=_zyx(root, "HaloPadding3dDict", 64),
        given={} if group is None else _given(group),
        has_table_settings=group is not None and _has_table_settings(group),
    )


#: Opcodes of a pickle of nothing: of None, or of a tuple of them.
_NOTHING = frozenset(
    ("PROTO", "FRAME", "MARK", "NONE", "TUPLE", "TUPLE2", "PUT", "BINPUT", "MEMOIZE", "STOP")
)


def _has_table_settings(group: Node) -> bool:
    """Whether there are settings of a table, by looking at the pickle; it is never loaded."""
    if "ExportSettings" not in group:
        return False
    try:
        return any(
            code.name not in _NOTHING
            for code, _, _ in pickletools.genops(group.raw("ExportSettings"))
        )
    except Exception:  # noqa: BLE001  # the parser of the standard library raises what it pleases
        return True


@dataclass(frozen=True, slots=True)
class _Classifier:
    """What was trained; all empty: nothing."""

    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    margin: tuple[float, ...] = ()
    forest: Forest | None = None


def _classifier(root: Node, group: Node) -> _Classifier:
    if "SelectedFeatures" not in group:
        raise FormatError(f"{root.what} does not say which object features it uses.")
    selected = group.node("SelectedFeatures")
    return _Classifier(
        {plugin: tuple(selected.node(plugin).names()) for plugin in selected.names() if plugin},
        _margin(root, selected),
        read_forest(group.node("ClassifierForests")),
    )


def _margin(root: Node, selected: Node) -> tuple[float, ...]:
    """Return the widest margin of any feature that is computed."""
    plugins = selected
    if "ObjectExtraction" in root and "Features" in root.node("ObjectExtraction"):
        plugins = root.node("ObjectExtraction").node("Features")
        if plugins.names() == ["0"]:  # as old projects have it
            plugins = plugins.node("0")
    found: tuple[float, ...] = ()
    for plugin in plugins.names():
        for name in plugins.node(plugin).names():
            feature = plugins.node(plugin).node(name)
            if "margin" not in feature:
                continue
            sides = tuple(feature.numbers("margin", 1))
            sides = sides * 3 if len(sides) == 1 else sides
            if len(sides) not in (2, 3) or not all(0 <= s <= 10_000 for s in sides):
                raise FormatError(
                    f"{root.what}: the neighbourhood of {name} reaches {sides} pixels; it takes "
                    "2 or 3 numbers from 0 to 10000."
                )
            pairs = zip(found, sides, strict=False)
            found = tuple(max(pair) for pair in pairs) if found else sides
    return found


def _thresholds(root: Node) -> Thresholds:
    if "ThresholdTwoLevels" not in root:
        raise FormatError(
            f"{root.what} does not say how objects are found in probabilities.",
            "Open it in ilastik, apply Threshold and Size Filter once, and save it.",
        )
    group = root.node("ThresholdTwoLevels")

    def number(name: str, default: float) -> float:
        return group.numbers(name, 1)[0] if name in group else default

    method = int(number("CurOperator", 0))
    if method not in (0, 1):
        called = _METHODS[method] if method in range(4) else str(method)
        raise UnsupportedError(
            f"{root.what} finds objects by the method {called!r}; simple and hysteresis run here.",
            "Choose one of these in ilastik, or run the project with ilastik itself "
            "(--engine executable).",
        )
    low = number("LowThreshold", 0.5)
    if method == 0:
        low = number("SingleThreshold", low)
    channel = int(number("Channel", 0))
    sigma = dict.fromkeys("zyx", 1.0)
    if "SmootherSigma" in group:
        sigmas = group.node("SmootherSigma")
        sigma |= {k: sigmas.numbers(k, 1)[0] for k in "zyx" if k in sigmas}
    return Thresholds(
        hysteresis=method == 1,
        low=low,
        high=number("HighThreshold", 0.8),
        sigma=(sigma["z"], sigma["y"], sigma["x"]),
        smallest=int(number("MinSize", 10)),
        largest=int(number("MaxSize", 1_000_000)),
        channel=channel,
        core_channel=int(number("CoreChannel", channel)),
    )


def _zyx(root: Node, name: str, default: int) -> tuple[int, int, int]:
    found = dict.fromkeys("zyx", default)
    applet = "Blockwise Object Classification"
    if applet in root and name in root.node(applet):
        group = root.node(applet).node(name)
        found |= {k: int(group.numbers(k, 1)[0]) for k in "zyx" if k in group}
    low = 1 if default == 512 else 0
    if not all(low <= v <= 1 << 30 for v in found.values()):
        raise FormatError(f"{root.what}: {name} is {found}.")
    return found["z"], found["y"], found["x"]


def _given(group: Node) -> dict[int, dict[int, tuple[int, ...]]]:
    """Return the labels that the user gave objects."""
    found: dict[int, dict[int, tuple[int, ...]]] = {}
    if "LabelInputs" not in group:
        return found
    for lane in group.node("LabelInputs").nodes(""):
        number = lane.name.rpartition("/")[2]
        if not number.isdecimal():
            continue
        frames = found.setdefault(int(number), {})
        for name in lane.names():
            if name.isdecimal():
                values = np.nan_to_num(lane.array(name).ravel().astype(np.float64))
                frames[int(name)] = tuple(int(v) for v in values)
    return found
