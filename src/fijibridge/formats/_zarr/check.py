"""What a Zarr store holds, and everything that is wrong with it."""

from __future__ import annotations

import itertools
import logging
import warnings
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, FormatError
from fijibridge.formats._format import Finding, ReadOptions
from fijibridge.formats._lazy import first_line
from fijibridge.formats._zarr.open import find_images, open_node
from fijibridge.formats._zarr.read import Multiscale, multiscale_of, ome_attributes
from fijibridge.formats._zarr.store import Store, locate

if TYPE_CHECKING:
    from fijibridge.formats._location import Location
    from fijibridge.model import Axes, Axis

__all__ = ["describe", "validate"]


def describe(where: Location) -> dict[str, Any]:
    """Return every image of a store with axes, shape, dtype, levels and storage."""
    root, node = locate(where)
    store = Store(root)
    try:
        images = [_about(store, name) for name in find_images(store, node)]
        return {
            "format": "ome-zarr",
            "zarr_format": store.zarr_format(""),
            "images": images,
            "labels": [i["path"] for i in images if i.get("role") == "labels"],
        }
    finally:
        store.close()


def _about(store: Store, node: str) -> dict[str, Any]:
    about: dict[str, Any] = {"path": node}
    try:
        found = multiscale_of(store, node)
        source = open_node(store, node, ReadOptions())
        spec = source.spec
        about |= {
            "axes": spec.axes.keys,
            "shape": list(spec.shape),
            "dtype": str(spec.dtype),
            "role": spec.role,
            "chunks": list(source.chunks),
            "pixel_size": {a.key: a.scale for a in spec.axes if a.key != "c"},
            "units": {a.key: a.unit for a in spec.axes if a.key != "c"},
            "version": found.version if found else "",
            "channel_names": list(spec.extra.channel_names),
            "levels": [
                {
                    "name": level.name,
                    "shape": list(level.axes.shape),
                    "pixel_size": {a.key: a.scale for a in level.axes if a.key != "c"},
                }
                for level in spec.scales
            ],
        }
    except FijiBridgeError as error:
        about["problem"] = str(error)
    return about


def validate(where: Location) -> list[Finding]:
    """Return all that is wrong or doubtful: our own look, then ome-zarr-models, then ome-zarr."""
    try:
        root, node = locate(where)
        store = Store(root)
    except FijiBridgeError as error:
        return [Finding("error", str(error))]
    found: list[Finding] = []
    try:
        kind = store.kind(node)
        images = find_images(store, node)
        if not images:
            found.append(Finding("error", f"There is no image at {store.name(node)}."))
        for name in images:
            if store.kind(name) == "array":
                found += _plain_findings(store, name)
            else:
                found += _image_findings(store, name)
        if kind == "group":
            found += _label_list_findings(store, node)
        if store.root.is_dir() and images and not any(f.severity == "error" for f in found):
            found += _witness_findings(store, images)
    except FormatError as error:
        found.append(Finding("error", str(error)))
    finally:
        store.close()
    return found


def _plain_findings(store: Store, node: str) -> list[Finding]:
    try:
        store.array(node)
    except FormatError as error:
        return [Finding("error", str(error))]
    return [
        Finding(
            "warning",
            f"{store.name(node)} is a plain Zarr array without multiscales metadata: no OME-Zarr.",
        )
    ]


def _image_findings(store: Store, node: str) -> list[Finding]:
    what = store.name(node)
    try:
        image = multiscale_of(store, node)
    except FormatError as error:
        return [Finding("error", str(error)), *_model_findings(store, node, labels=False)]
    if image is None:
        return [Finding("error", f"{what} has no multiscales metadata.")]
    found: list[Finding] = []
    labels = image.image_label is not None
    arrays: list[Any] = []
    for dataset in image.datasets:
        path = f"{node}/{dataset.path}".lstrip("/")
        try:
            there = store.kind(path) == "array"
            arrays.append(store.array(path) if there else None)
            if not there:
                found.append(Finding("error", f"{what}: the level {dataset.path!r} is missing."))
        except FormatError as error:
            arrays.append(None)
            found.append(Finding("error", str(error)))
    found += _axes_findings(image, arrays, what)
    found += _level_findings(image, arrays, what)
    in_labels = node.split("/")[-2:-1] == ["labels"]
    kinds = {a.dtype.kind for a in arrays if a is not None}
    if (labels or in_labels) and kinds - {"i", "u"}:
        found.append(Finding("error", f"{what}: labels must be integers, the arrays are not."))
    if in_labels and not labels:
        found.append(Finding("warning", f"{what} lies in labels but has no image-label metadata."))
    return [*found, *_model_findings(store, node, labels=labels)]


def _axes_findings(image: Multiscale, arrays: list[Any], what: str) -> list[Finding]:
    found: list[Finding] = []
    keys = image.keys
    if not keys:
        found.append(Finding("warning", f"{what}: the metadata name no axes."))
    if len(set(keys)) != len(keys):
        found.append(Finding("error", f"{what}: an axis of {keys!r} is named twice."))
    order = {"t": 0, "c": 1, "z": 2, "y": 3, "x": 4}
    ranks = [order[k] for k in keys]
    if ranks != sorted(ranks):
        found.append(
            Finding("error", f"{what}: the axes {keys!r} are not in the order t, c, z, y, x.")
        )
    for dataset, array in zip(image.datasets, arrays, strict=True):
        if array is not None and keys and len(array.shape) != len(keys):
            found.append(
                Finding(
                    "error",
                    f"{what}: the level {dataset.path!r} has {len(array.shape)} dimensions, "
                    f"the metadata name {len(keys)} axes.",
                )
            )
    return found


def _level_findings(image: Multiscale, arrays: list[Any], what: str) -> list[Finding]:
    found: list[Finding] = []
    levels: list[tuple[str, Axes, Any]] = []
    first = next((a for a in arrays if a is not None), None)
    for i, (dataset, array) in enumerate(zip(image.datasets, arrays, strict=True)):
        if array is None or first is None:
            continue
        if dataset.scale is None:
            found.append(Finding("error", f"{what}: the level {dataset.path!r} has no scale."))
        elif min(dataset.scale, default=1.0) <= 0:
            found.append(
                Finding(
                    "error",
                    f"{what}: the level {dataset.path!r} has a scale that is not positive: "
                    f"{list(dataset.scale)}.",
                )
            )
        try:
            shapes = [tuple(first.shape), tuple(array.shape)]
            levels.append((dataset.path, image.axes(i, shapes, f"{what} {dataset.path}"), array))
        except FormatError as error:
            found.append(Finding("error", str(error)))
    for (name, axes, array), (below, coarse, smaller) in itertools.pairwise(levels):
        if array.dtype != smaller.dtype:
            found.append(
                Finding(
                    "error", f"{what}: {name!r} is {array.dtype}, {below!r} is {smaller.dtype}."
                )
            )
        for fine_axis, coarse_axis in zip(axes, coarse, strict=False):
            text = _step_problem(fine_axis, coarse_axis)
            if text:
                found.append(Finding("error", f"{what}: from {name!r} to {below!r} {text}."))
    return found


def _step_problem(fine: Axis, coarse: Axis) -> str:
    """Return what is wrong with one axis from one level to the next, "" when nothing is."""
    if coarse.size > fine.size:
        return f"{fine.key} grows from {fine.size} to {coarse.size} samples"
    if not coarse.size:
        return ""
    ratio, true = coarse.scale / fine.scale, fine.size / coarse.size
    # 129 -> 64 is 2.0156, or 2 where the last sample was dropped; 2.5 is neither
    if abs(ratio - true) > max(1.0, true) / coarse.size + 1e-6 * true:
        return f"the scale of {fine.key} grows {ratio:g} times, the shapes say {true:g}"
    return ""


def _label_list_findings(store: Store, node: str) -> list[Finding]:
    """Compare the ``labels`` list with what is there."""
    folder = f"{node}/labels".lstrip("/")
    if store.kind(folder) != "group":
        return []
    ome, _ = ome_attributes(store.attributes(folder))
    listed = ome.get("labels")
    if not isinstance(listed, list):
        return [Finding("error", f"{store.name(folder)} has no list of labels.")]
    there = set(store.children(folder))
    names = {n for n in listed if isinstance(n, str)}
    missing = [f"{n!r} is listed but missing" for n in sorted(names - there)]
    unlisted = [f"{n!r} is there but not listed" for n in sorted(there - names)]
    return [
        *(Finding("error", f"{store.name(folder)}: {text}.") for text in missing),
        *(Finding("warning", f"{store.name(folder)}: {text}.") for text in unlisted),
    ]


def _model_findings(store: Store, node: str, *, labels: bool) -> list[Finding]:
    """Return what ome-zarr-models has to say about one image."""
    from fijibridge.formats._zarr.meta import check_with_models

    if not store.root.is_dir():
        return []
    version = "0.4" if store.zarr_format(node) == 2 else "0.5"
    try:
        check_with_models(store.root / node, version, labels=labels)
    except Exception as error:  # noqa: BLE001  # pydantic, zarr and plain errors alike
        details = getattr(error, "errors", None)
        if callable(details):
            return [
                Finding(
                    "error",
                    f"{store.name(node)}: {'.'.join(map(str, one['loc']))}: {one['msg']} "
                    f"(OME-Zarr {version}, ome-zarr-models)",
                )
                for one in details()[:20]
            ]
        return [
            Finding(
                "error",
                f"{store.name(node)}: {first_line(error)} (OME-Zarr {version}, ome-zarr-models)",
            )
        ]
    return []


def _witness_findings(store: Store, images: list[str]) -> list[Finding]:
    """Open each image with ome-zarr-py, the reference reader."""
    from ome_zarr.format import FormatV04, FormatV05
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    found: list[Finding] = []
    logger = logging.getLogger("ome_zarr")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it tells what it looks for in vain
    for node in images:
        if store.kind(node) == "array":
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fmt = FormatV04() if store.zarr_format(node) == 2 else FormatV05()
                location = parse_url(str(store.root / node), mode="r", fmt=fmt)
                nodes = list(Reader(location)()) if location is not None else []
            if not nodes or not nodes[0].data:
                found.append(Finding("error", f"{store.name(node)}: ome-zarr finds no image."))
        except Exception as error:  # noqa: BLE001  # a witness may say what it likes
            found.append(
                Finding(
                    "error", f"{store.name(node)}: ome-zarr does not open it: {first_line(error)}."
                )
            )
    logger.setLevel(level)
    return found
