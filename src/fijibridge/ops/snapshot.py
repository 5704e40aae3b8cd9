"""``snapshot``: the composite view of layered images as a picture, a sequence or a movie."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.export.layers import layer_text, parse_layer
from fijibridge.ops._export_words import CUTOUT
from fijibridge.ops._inputs import check_sources, nickname
from fijibridge.ops._kinds import INTEGER, NUMBER, PATH, PATHS, TEXT, Kind
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._record import SUFFIX
from fijibridge.ops._settings import setting, settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fijibridge.export.layers import Layer
    from fijibridge.export.settings import Cutout
    from fijibridge.export.snapshot import Camera, View
    from fijibridge.ops._operation import Context, Report

__all__ = ["OPERATION", "SnapshotSettings", "snapshot"]

_CAMERA = "camera"
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".ppm")


def _layers(value: Any, name: str) -> tuple[Layer, ...]:
    from fijibridge.export.layers import Layer as One

    if isinstance(value, str):
        value = [part for part in value.split(";") if part.strip()]
    if isinstance(value, One):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise SettingsError(f"{name} is {value!r}; such as a.tif,lut=red,opacity=0.5.")
    return tuple(one if isinstance(one, One) else parse_layer(os.fspath(one)) for one in value)


LAYERS = Kind(
    metavar="FILE,lut=…,opacity=…,range=…",
    parse=_layers,
    dump=lambda value: [layer_text(one) for one in value],
    text=lambda value: ";".join(layer_text(one) for one in value),
    many=True,
)


@settings
class SnapshotSettings:
    """Settings of ``snapshot``."""

    inputs: tuple[str, ...] = setting(
        (),
        kind=PATHS,
        metavar="IMAGE",
        positional=True,
        aliases=("input",),
        help="images, the first lies lowest; a path may go on inside a file",
    )
    layer: tuple[Layer, ...] = setting(
        (),
        kind=LAYERS,
        help="image with its colours, above the others; may be given many times. lut: a colour, "
        "#rrggbb, inverted, glasbey or a .lut file; also role=, axes=, channel=",
    )
    output: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE",
        help="picture (.png .jpg .bmp .tif .gif), with --along also .avi, .gif or a name with "
        "{slice_index}; left out: beside the first image, NAME_snapshot.png",
    )
    axis: str = setting(
        "z", kind=TEXT, choices=("z", "y", "x"), group=_CAMERA, help="axis the camera looks along"
    )
    slice: int | None = setting(
        None, kind=INTEGER, group=_CAMERA, help="position along it, 0 the first; left out: middle"
    )
    time: int | None = setting(None, kind=INTEGER, group=_CAMERA, help="position in time")
    region: Cutout | None = setting(
        None, kind=CUTOUT, metavar="y=A:B,x=A:B", group=_CAMERA, help="what is seen of the plane"
    )
    zoom: float = setting(
        1.0, kind=NUMBER, group=_CAMERA, help="pixels of the picture a pixel of the image"
    )
    along: str | None = setting(
        None,
        kind=TEXT,
        choices=("t", "z", "y", "x", "c"),
        metavar="AXIS",
        group=_CAMERA,
        help="one picture for each position along this axis",
    )
    fps: float = setting(10.0, kind=NUMBER, group=_CAMERA, help="frames a second of a movie")

    def check(self) -> None:
        """Refuse what does not go together."""
        if not 0.01 <= self.fps <= 1000:
            raise SettingsError(f"fps is {self.fps!r}; allowed is 0.01 to 1000.")
        self.camera()

    def camera(self) -> Camera:
        """Return the camera."""
        from fijibridge.export.snapshot import Camera

        return Camera(
            axis=self.axis,
            slice=self.slice,
            time=self.time,
            region=self.region,
            zoom=self.zoom,
        )


def _all_layers(value: SnapshotSettings) -> tuple[Layer, ...]:
    from fijibridge.export.layers import Layer

    return (*(Layer(path=path) for path in value.inputs), *value.layer)


def _run(value: SnapshotSettings, context: Context) -> Plan:
    from fijibridge.export.snapshot import open_view

    layers = _all_layers(value)
    if not layers:
        raise SettingsError(
            "snapshot needs an IMAGE or a --layer.",
            "Type: fijibridge snapshot raw.tif --layer labels.tif,role=labels,opacity=0.5",
        )
    check_sources([layer.path for layer in layers])
    view = open_view(layers, value.camera(), value.along or "")
    try:
        targets, movie = _targets(value, layers[0].path, view)
        height, width = view.shape
        planned: dict[str, Any] = {"pictures": view.count, "height": height, "width": width}
    finally:
        view.close()
    job = Job(
        title=layers[0].path,
        run=partial(_do, value, layers, targets, movie, context.options.overwrite),
        sources=tuple(dict.fromkeys(layer.path for layer in layers)),
        targets=targets,
        record=_record(targets),
        planned=planned,
    )
    return Plan(jobs=(job,))


def _record(targets: Mapping[str, str]) -> str:
    first = Path(next(iter(targets.values())))
    return str(first.with_name(f"{first.stem}{SUFFIX}"))


def _targets(value: SnapshotSettings, first: str, view: View) -> tuple[dict[str, str], bool]:
    """Return (what -> path, whether it is a movie)."""
    from fijibridge.export.naming import has_slice_index, slice_names
    from fijibridge.formats import Location
    from fijibridge.formats.movies import MOVIES, check_movie

    output = value.output
    if output is None:
        folder = Location.parse(first).path.parent
        more = "_{slice_index}" if value.along else ""
        output = str(folder / f"{nickname(first)}_snapshot{more}.png")
    suffix = Path(output).suffix.lower()
    if value.along is None:
        if suffix not in _PICTURES:
            movie = suffix in MOVIES
            raise SettingsError(
                f"The picture {output!r} must end in one of {', '.join(_PICTURES)}.",
                "A movie needs --along AXIS." if movie else "",
            )
        if has_slice_index(output):
            raise SettingsError(
                f"The name {output!r} has a {{slice_index}}, but there is one picture.",
                "Say along which axis: --along z",
            )
        return {"picture": output}, False
    if suffix in MOVIES and not has_slice_index(output):
        check_movie(output, view.count, *view.shape)
        return {"movie": output}, True
    if suffix not in _PICTURES or not has_slice_index(output):
        raise SettingsError(
            f"Along {value.along!r} there are {view.count} pictures; {output!r} is one.",
            "Name an .avi or .gif, or put {slice_index} into the name.",
        )
    names = slice_names(output, 0, view.count)
    return {f"picture {i}": name for i, name in enumerate(names)}, False


def _do(
    value: SnapshotSettings,
    layers: Sequence[Layer],
    targets: Mapping[str, str],
    movie: bool,
    overwrite: bool,
    _earlier: Mapping[str, JobReport],
) -> JobReport:
    from fijibridge.export.snapshot import open_view
    from fijibridge.formats.movies import write_movie

    view = open_view(layers, value.camera(), value.along or "")
    try:
        if movie:
            path = next(iter(targets.values()))
            write_movie(path, view.pictures(), view.count, fps=value.fps, overwrite=overwrite)
        else:
            for i, path in enumerate(targets.values()):
                _write(view.picture(i), path, overwrite=overwrite)
        height, width = view.shape
        what = f"{view.count} pictures of " if view.count > 1 else ""
        data = {"pictures": view.count, "height": height, "width": width}
    finally:
        view.close()
    return JobReport(line=f"{layers[0].path}: {what}{width} x {height} pixels", data=data)


def _write(picture: np.ndarray, path: str, *, overwrite: bool) -> None:
    from fijibridge.formats import write_image
    from fijibridge.model import Extra, Image

    image = Image.from_array(np.ascontiguousarray(picture), "yxc", extra=Extra(rgb=True))
    to = "plain tiff" if path.lower().endswith((".tif", ".tiff")) else None
    write_image(image, path, to=to, overwrite=overwrite)


OPERATION = Operation(
    name="snapshot",
    menu="",
    summary="what layered images look like: a picture, a sequence or a movie along an axis",
    settings=SnapshotSettings,
    run=_run,
    examples=(
        "fijibridge snapshot raw.h5/data --layer labels.tif,role=labels,opacity=0.5 --slice 10",
        "fijibridge snapshot cells.ome.tif --along t --output cells.avi --fps 7",
    ),
)


def snapshot(*images: Any, **settings: Any) -> Report:
    """Write what layered images look like, as ``fijibridge snapshot`` does.

    Parameters
    ----------
    *images
        Paths, the first lies lowest.
    **settings
        Those of ``fijibridge snapshot``: ``layer=["a.tif,lut=red,opacity=0.5"]``, ``output``,
        ``axis``, ``slice``, ``time``, ``region``, ``zoom``, ``along``, ``fps``; and the common
        ones.

    Returns
    -------
    Report
        ``.outputs`` are the paths written.

    Raises
    ------
    SettingsError
        For a wrong setting, layers that do not lie on each other, or an existing target.
    FormatError
        When an image is missing or broken.
    """
    from fijibridge.ops import run_verb

    more: dict[str, Any] = {"inputs": [os.fspath(one) for one in images]} if images else {}
    return run_verb("snapshot", **more, **settings)
