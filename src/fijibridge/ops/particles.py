"""``particles``: ImageJ's Analyze Particles on files, one set of outputs an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fijibridge.errors import SettingsError
from fijibridge.ops._analyze_line import SHOW, parse_line
from fijibridge.ops._inputs import check_sources, each_path
from fijibridge.ops._kinds import INTEGER, PATH, PATHS, RANGE, TEXT, THRESHOLD
from fijibridge.ops._operation import Operation, Plan
from fijibridge.ops._settings import setting, settings
from fijibridge.ops._shared_settings import (
    axes_setting,
    check_decimal,
    decimal_setting,
    each_setting,
    measurements_setting,
    pixel_size_setting,
    unit_setting,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.ops._operation import Context

__all__ = ["OPERATION", "ParticlesSettings"]

_WHAT = "what is an object"
_IMAGE = "the image"
_TABLE = "the table"
_OUT = "outputs; only what is named is written"


@settings
class ParticlesSettings:
    """Settings of ``particles``."""

    input: tuple[str, ...] = setting(
        (),
        kind=PATHS,
        metavar="IMAGE",
        positional=True,
        aliases=("image", "images", "inputs"),
        help='images; a quoted pattern ("t_*.tif") is one stack',
    )
    each: str | None = each_setting(group=_IMAGE)
    axes: str | None = axes_setting(group=_IMAGE)
    pixel_size: Mapping[str, float] | None = pixel_size_setting(group=_IMAGE)
    unit: str | None = unit_setting(group=_IMAGE)
    role: str = setting(
        "intensity",
        kind=TEXT,
        choices=("intensity", "labels", "probabilities"),
        metavar="ROLE",
        group=_IMAGE,
        help="labels: each label of the image is one object, touching or not",
    )
    threshold: str | None = setting(
        None,
        kind=THRESHOLD,
        group=_WHAT,
        help='"LOW,HIGH" or a method of ImageJ ("Otsu dark"); left out: the image is binary',
    )
    white_background: bool = setting(False, group=_WHAT, help="binary images: objects are 0 on 255")
    size: tuple[float, float] | None = setting(
        None, kind=RANGE, group=_WHAT, help="area, such as 20-Infinity, in calibrated units squared"
    )
    pixel_units: bool = setting(False, group=_WHAT, help="size is in pixels")
    circularity: tuple[float, float] | None = setting(
        None, kind=RANGE, group=_WHAT, help="circularity, such as 0.80-1.00"
    )
    exclude: bool = setting(False, group=_WHAT, help="leave out objects on the edges")
    include: bool = setting(False, group=_WHAT, help="fill holes")
    four: bool = setting(False, group=_WHAT, help="4-connected; includes holes, as in ImageJ")
    composite: bool = setting(False, group=_WHAT, help="ROIs keep their holes")
    record: bool = setting(False, group=_WHAT, help="table columns XStart and YStart")
    stack: bool = setting(False, group=_WHAT, help="all planes of a stack, one after the other")
    slice: int | None = setting(
        None, kind=INTEGER, group=_WHAT, help="the plane that is analyzed, 1 = first"
    )
    select: str | None = setting(
        None,
        kind=PATH,
        metavar="SHAPE",
        group=_WHAT,
        help="only in rect:X,Y,W,H, oval:X,Y,W,H, polygon:x1,y1,x2,y2,… or FILE.roi",
    )
    connectivity: str | None = setting(
        None,
        kind=TEXT,
        choices=("2d", "3d"),
        metavar="2d|3d",
        group=_WHAT,
        help="3d: objects of a volume, not of its planes",
    )
    options: str | None = setting(
        None,
        kind=TEXT,
        metavar="LINE",
        group=_WHAT,
        help='a recorded Analyze Particles line: "size=20-Infinity exclude show=[Count Masks]"',
    )
    redirect: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_TABLE, help="measure the grey values of this image"
    )
    measurements: tuple[str, ...] = measurements_setting(group=_TABLE)
    decimal: int = decimal_setting(group=_TABLE)
    label_limit: int | None = setting(
        None,
        kind=INTEGER,
        group=_OUT,
        help="largest label; later objects share it (ImageJ: 65535); default none",
    )
    outdir: str | None = setting(
        None,
        kind=PATH,
        metavar="DIR",
        group=_OUT,
        help="folder for NAME_Results.tsv, NAME_RoiSet.zip and NAME_labels.tif; "
        "without it, and nothing named, they are written beside the image",
    )
    table: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE",
        group=_OUT,
        help="results table; of several images the combined one, or one each with {name}",
    )
    rois: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_OUT, help="ROI set (.zip, .geojson)"
    )
    labels: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_OUT, help="label mask (.tif, .h5, .ome.zarr, …)"
    )
    summary: str | None = setting(None, kind=PATH, metavar="FILE", group=_OUT, help="summary table")
    overlay: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_OUT, help="picture of the outlines on the image"
    )
    drawing: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_OUT, help="the image that --show names"
    )
    show: str | None = setting(
        None, kind=TEXT, choices=SHOW, metavar="WORD", group=_OUT, help=f"{', '.join(SHOW)}"
    )

    def check(self) -> None:
        """Refuse what does not go together, before any file is looked at."""
        check_decimal(self.decimal)
        if self.slice is not None and self.slice < 1:
            raise SettingsError(f"slice is {self.slice}; 1 is the first.")
        if self.slice is not None and self.stack:
            raise SettingsError("slice and stack contradict each other.", "Say one of them.")
        if self.label_limit is not None and self.label_limit < 1:
            raise SettingsError(f"label_limit is {self.label_limit}; allowed is 1 or more.")
        if self.circularity is not None and self.circularity[0] < 0:
            raise SettingsError(f"circularity starts at {self.circularity[0]}; 0 is the least.")
        if self.size is not None and self.size[0] < 0:
            raise SettingsError(f"size starts at {self.size[0]}; 0 is the least.")
        if self.role == "labels" and self.threshold is not None:
            raise SettingsError(
                "A label image (role labels) has no threshold: each label is an object.",
                "Leave out one of --threshold and --role labels.",
            )
        if self.drawing is not None and self.show is None and self.options is None:
            raise SettingsError(
                "drawing names a file, but show does not say what to draw.",
                f"Add --show with one of: {', '.join(SHOW)}.",
            )
        if self.options is not None:
            parse_line(self.options)


def _run(value: ParticlesSettings, context: Context) -> Plan:
    from fijibridge.ops._particles_plan import plan_particles

    paths = each_path(value.input, value.each)
    check_sources(paths if len(paths) == 1 else [])
    return plan_particles(value, paths, context)


OPERATION = Operation(
    name="particles",
    menu="FijiBridge Particles...",
    summary="ImageJ's Analyze Particles: results table, ROI set and label mask of images",
    settings=ParticlesSettings,
    run=_run,
    targets=("outdir", "table", "rois", "labels", "summary", "overlay", "drawing"),
    shows={"outdir": "{folder}"},
    examples=(
        'fijibridge particles nuclei.tif --threshold "Otsu dark" --size 20-Infinity',
        "fijibridge particles mask.tif --outdir out --exclude",
        'fijibridge particles --each "day*.tif" --threshold 25,255 --table all.tsv',
    ),
)
