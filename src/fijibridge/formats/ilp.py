"""ilastik projects (.ilp): what a trained project holds, as plain values.

Decisions where ilastik is silent: nothing in a project is unpickled, so only its own random
forests can be read; a project that was not trained is refused (ilastik trains it anew); links in
the file are refused.

Source: ilastik featureSelectionSerializer.py, pixelClassificationSerializer.py,
dataExportSerializer.py; spec/ilastik-projects.md 1.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats._hdf5.read import open_file, read_attribute
from fijibridge.formats._ilp.forests import read_forest
from fijibridge.formats._ilp.nodes import Node, check_links
from fijibridge.formats._ilp.objects import ORIGINS, read_objects
from fijibridge.formats._lazy import first_line
from fijibridge.model.json_text import parse_json
from fijibridge.model.project import Drawn, FeatureSelection, Lane, PixelStage, Project

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NATIVE", "read_project", "workflow_of"]

_PIXELS, _AUTOCONTEXT = "Pixel Classification", "AutocontextTwoStage"
#: Workflows that run here.
NATIVE = (_PIXELS, _AUTOCONTEXT, *ORIGINS)
#: Workflow as the file says, lower case -> what people call it.
_CALLED = {"autocontexttwostage": "Autocontext (2-stage)"}
#: As the names of workflows begin that nothing runs unattended.
_BY_HAND = ("Carving", "Manual Tracking")
_SLICE = re.compile(r"\s*(-?\d+)\s*:\s*(-?\d+)\s*")
_EXPORT_TEXTS = (
    "OutputFormat",
    "OutputFilenameFormat",
    "OutputInternalPath",
    "ExportDtype",
    "OutputAxisOrder",
)
_OBJECT_EXPORT = "Object Information Export"
_EXPORT_NUMBERS = ("InputMin", "InputMax", "ExportMin", "ExportMax")
_EXPORT_LISTS = ("RegionStart", "RegionStop")


def workflow_of(path: str | os.PathLike[str]) -> str:
    """Return the workflow of a project, as the file says.

    Raises
    ------
    FormatError
        When it is no ilastik project.
    """
    what = repr(os.fspath(path))
    with open_file(Path(path)) as file, _damage(what):
        return _workflow(Node(file, what))


@contextlib.contextmanager
def _damage(what: str) -> Iterator[None]:
    """Let all that h5py raises on broken bytes be a FormatError."""
    try:
        yield
    except FijiBridgeError:
        raise
    except Exception as error:
        raise FormatError(
            f"{what} is damaged: {first_line(error)}.", "Copy it again, or save it anew in ilastik."
        ) from error


def _workflow(root: Node) -> str:
    if "workflowName" in root:
        return root.text("workflowName")
    if "PixelClassification" in root:  # before 0.6 the file did not say
        return _PIXELS
    if "DataSets" in root and "Project" in root:
        raise FormatError(
            f"{root.what} was saved by ilastik 0.5, which kept no classifier in the file.",
            "Draw the labels anew in ilastik 1.4 (Pixel Classification), train and save.",
        )
    raise FormatError(
        f"{root.what} is no ilastik project: it names no workflow.", "Choose a saved .ilp file."
    )


def read_project(path: str | os.PathLike[str]) -> Project:
    """Read a trained Pixel Classification, Autocontext or Object Classification project.

    Raises
    ------
    FormatError
        When the file is missing, damaged, hostile, or no trained project.
    SettingsError
        When nothing is computed in its workflow.
    UnsupportedError
        When its workflow or its classifier does not run here.
    """
    what = repr(os.fspath(path))
    with open_file(Path(path)) as file, _damage(what):
        root = Node(file, what)
        workflow = _workflow(root)
        if workflow not in NATIVE:
            raise unsupported_workflow(workflow, what)
        check_links(file, what)
        suffixes = {_AUTOCONTEXT: ("", "01"), _PIXELS: ("",)}.get(workflow, ())
        objects = read_objects(root, workflow) if workflow in ORIGINS else None
        if objects is not None and objects.origin == "pixels":
            suffixes = ("",)
        lanes = _lanes(root)
        return Project(
            path=os.path.abspath(path),  # noqa: PTH100  # links are kept
            workflow=workflow,
            version=root.text("ilastikVersion", "unknown"),
            stages=tuple(_stage(root, suffix) for suffix in suffixes),
            lanes=lanes,
            export=_export(root, "Prediction Export" if objects is None else _OBJECT_EXPORT),
            objects=objects,
        )


def unsupported_workflow(workflow: str, what: str) -> FijiBridgeError:
    """Return the error that says what a workflow would need."""
    called = _CALLED.get(workflow.lower(), workflow)
    if workflow == "Data Conversion":
        return SettingsError(
            f"{what} is a project of ilastik's workflow {called!r}: nothing is computed in it.",
            "Type: fijibridge export INPUT --output_format … , with the same flags.",
        )
    if workflow.startswith(_BY_HAND):
        return SettingsError(
            f"{what} is a project of ilastik's workflow {called!r}, which is done by hand; ilastik "
            "has no headless mode for it either.",
            "Open it in ilastik, and export there; fijibridge reads and exports what it writes.",
        )
    natively = "Natively run Pixel Classification, Autocontext (2-stage) and Object Classification."
    return UnsupportedError(
        f"{what} is a project of ilastik's workflow {called!r}, which does not run natively.",
        f"It needs ilastik itself: run_ilastik.sh --headless --project=… . {natively} What ilastik "
        "writes, fijibridge reads and exports.",
    )


def _stage(root: Node, suffix: str) -> PixelStage:
    applet = f"PixelClassification{suffix}"
    if applet not in root or "ClassifierForests" not in root.node(applet):
        raise FormatError(
            f"{root.what} holds no trained classifier.",
            "Open it in ilastik, press Live Update once, and save it.",
        )
    group = root.node(applet)
    forest = read_forest(group.node("ClassifierForests"))
    features = _features(root, f"FeatureSelections{suffix}")
    return PixelStage(
        features=features,
        forest=forest,
        label_names=group.label_names(),
        label_colors=group.colors("LabelColors"),
        map_colors=group.colors("PmapColors"),
        drawn=_drawn(group),
    )


def _features(root: Node, name: str) -> FeatureSelection:
    group = root.node(name)
    if group.text("FeatureListFilename"):
        raise UnsupportedError(
            f"{root.what} takes its features from a file "
            f"({group.text('FeatureListFilename')!r}), which is not supported.",
            "Choose features in ilastik, train and save the project.",
        )
    if "SelectionMatrix" not in group:
        raise FormatError(
            f"{root.what} has no pixel features chosen.",
            "Choose features in ilastik, train and save the project.",
        )
    matrix = group.array("SelectionMatrix")
    if matrix.ndim != 2 or matrix.size > 10_000:
        raise FormatError(f"{root.what} has a table of features of the shape {matrix.shape}.")
    in_2d: tuple[bool, ...] = ()
    if "ComputeIn2d" in group:
        in_2d = tuple(bool(v) for v in group.array("ComputeIn2d").ravel().tolist())
    return FeatureSelection(
        ids=group.texts("FeatureIds"),
        scales=tuple(group.numbers("Scales")),
        matrix=tuple(tuple(bool(v) for v in row) for row in matrix.tolist()),
        in_2d=in_2d,
    )


def _drawn(group: Node) -> tuple[tuple[Drawn, ...], ...]:
    if "LabelSets" not in group:
        return ()
    lanes = []
    for lane in group.node("LabelSets").nodes("labels"):
        blocks = []
        for name in lane.names("block"):
            labels = lane.array(name, "biu")
            text = read_attribute(lane.dataset(name), "blockSlice")
            blocks.append(Drawn(start=_start(text, labels.shape, lane), labels=labels))
        lanes.append(tuple(blocks))
    return tuple(lanes)


def _start(text: Any, shape: tuple[int, ...], lane: Node) -> tuple[int, ...]:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    parts = [_SLICE.fullmatch(p) for p in str(text).strip("[] ").split(",")]
    ends = [(int(p[1]), int(p[2])) for p in parts if p is not None]
    if len(ends) != len(shape) or any(
        b - a != n or a < 0 for (a, b), n in zip(ends, shape, strict=True)
    ):
        raise FormatError(f"{lane.what}: a label block of {lane.name} lies at {text!r}.")
    return tuple(a for a, _ in ends)


def _lanes(root: Node) -> tuple[Lane, ...]:
    found: list[Lane] = []
    if "Input Data" not in root or "infos" not in root.node("Input Data"):
        return ()
    for lane in root.node("Input Data").node("infos").nodes("lane"):
        if "Raw Data" not in lane:
            found.append(Lane())
            continue
        raw = lane.node("Raw Data")
        axes = _letters(raw.text("axistags"))
        shape = tuple(int(v) for v in raw.numbers("shape")) if "shape" in raw else ()
        found.append(Lane(axes=axes, shape=shape, path=raw.text("filePath")))
    return tuple(found)


def _letters(text: str) -> str:
    try:
        letters = "".join(str(axis["key"]) for axis in parse_json(text)["axes"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    good = set(letters) <= set("tzyxc") and len(set(letters)) == len(letters)
    return letters if good else ""


def _export(root: Node, applet: str) -> dict[str, Any]:
    if applet not in root:
        return {}
    group = root.node(applet)
    found: dict[str, Any] = {}
    for name in _EXPORT_TEXTS:
        if name in group and group.text(name):
            found[name] = group.text(name)
    for name in _EXPORT_NUMBERS:
        if name in group:
            values = group.numbers(name)
            if values and math.isfinite(values[0]):
                found[name] = values[0]
    for name in _EXPORT_LISTS:
        if name in group and group.dataset(name).dtype.kind in "iuf":
            # ilastik keeps "no end" as -1, and takes a stop of 0 for none
            low = 0 if name == "RegionStart" else 1
            ends = group.numbers(name)
            found[name] = tuple(int(v) if low <= v < 1 << 62 else None for v in ends)
    return found
