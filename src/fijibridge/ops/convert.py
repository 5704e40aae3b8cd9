"""``convert INPUT OUTPUT``: labels, ROI sets, tables and images into other formats and kinds."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from fijibridge.errors import SettingsError
from fijibridge.ops._inputs import check_sources, each_path, folder_of, nickname
from fijibridge.ops._kinds import PATH, SHAPE, TEXT
from fijibridge.ops._operation import Job, Operation, Plan
from fijibridge.ops._record import SUFFIX
from fijibridge.ops._settings import setting, settings
from fijibridge.ops._shared_settings import (
    axes_setting,
    each_setting,
    pixel_size_setting,
    unit_setting,
)
from fijibridge.ops._targets import named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.ops._operation import Context

__all__ = ["OPERATION", "ConvertSettings"]

_IMAGE = "what the input is"
_ROIS = "labels and ROIs"


@settings
class ConvertSettings:
    """Settings of ``convert``."""

    input: str | None = setting(
        None,
        kind=PATH,
        metavar="INPUT",
        positional=True,
        help="image, label mask, ROI set or table; a quoted pattern is one stack",
    )
    output: str | None = setting(
        None,
        kind=PATH,
        metavar="OUTPUT",
        positional=True,
        help="the target; its suffix is the format. {name} is the input's name",
    )
    each: str | None = each_setting(more="; OUTPUT has {name}")
    to: str | None = setting(
        None, kind=TEXT, metavar="FORMAT", help="format, where a suffix fits several"
    )
    lut: str = setting(
        "glasbey",
        kind=TEXT,
        choices=("glasbey", "none"),
        metavar="glasbey|none",
        help="colour table of label images",
    )
    role: str | None = setting(
        None,
        kind=TEXT,
        choices=("labels", "intensity", "probabilities"),
        metavar="ROLE",
        group=_IMAGE,
        help="labels, intensity or probabilities; left out: as the file says",
    )
    axes: str | None = axes_setting(group=_IMAGE)
    pixel_size: Mapping[str, float] | None = pixel_size_setting(group=_IMAGE)
    unit: str | None = unit_setting(group=_IMAGE)
    like: str | None = setting(
        None, kind=PATH, metavar="IMAGE", group=_ROIS, help="ROIs to labels: size as this image's"
    )
    shape: tuple[int, ...] | None = setting(
        None, kind=SHAPE, group=_ROIS, help="ROIs to labels: size, height first"
    )
    overlap: str = setting(
        "last",
        kind=TEXT,
        choices=("last", "first", "smallest", "error", "channels"),
        metavar="WHO",
        group=_ROIS,
        help="who gets a pixel of several ROIs: last, first, smallest; error; channels keeps all",
    )
    names: str = setting(
        "{label:04d}",
        kind=TEXT,
        metavar="PATTERN",
        group=_ROIS,
        help="names of ROIs made from labels; fields: label, index, t, z",
    )
    vertices: str = setting(
        "corners",
        kind=TEXT,
        choices=("corners", "centers"),
        metavar="corners|centers",
        group=_ROIS,
        help="ROIs along pixel corners (exact) or through pixel centres",
    )

    def check(self) -> None:
        """Refuse what does not go together."""
        if self.like is not None and self.shape is not None:
            raise SettingsError("like and shape both say how large the labels are.", "Say one.")


def _paths(value: ConvertSettings) -> tuple[list[str], str]:
    source, output = value.input, value.output
    if value.each is not None and output is None:
        source, output = None, source
    if output is None or (source is None and value.each is None):
        raise SettingsError(
            "convert needs an INPUT and an OUTPUT.",
            "Type: fijibridge convert labels.tif RoiSet.zip",
        )
    return each_path([] if source is None else [source], value.each), output


def _run(value: ConvertSettings, _context: Context) -> Plan:
    from fijibridge.ops._convert_do import Conversion

    sources, output = _paths(value)
    if len(sources) == 1:
        check_sources([*sources, *([value.like] if value.like else [])])
    jobs = []
    for source in sources:
        target = named(output, source)
        alone = dataclasses.replace(value, input=source, output=target, each=None)
        conversion = Conversion(source, target, alone, overwrite=_context.options.overwrite)
        if len(sources) == 1:
            conversion.plan()
        jobs.append(
            Job(
                title=source,
                run=conversion.run,
                sources=(source,) if value.like is None else (source, value.like),
                targets={"output": target},
                record=str(folder_of(target) / f"{nickname(target)}{SUFFIX}"),
                settings=alone,
            )
        )
    return Plan(jobs=tuple(jobs))


OPERATION = Operation(
    name="convert",
    menu="FijiBridge Convert...",
    summary="any label mask, ROI set, table or image into any other format or kind",
    settings=ConvertSettings,
    run=_run,
    opens={"input": ("labels", "rois", "image", "table"), "like": ("image",)},
    targets=("output",),
    shows={"output": "{folder}/{name}{suffix}"},
    examples=(
        "fijibridge convert labels.tif RoiSet.zip",
        "fijibridge convert RoiSet.zip labels.tif --like nuclei.tif",
        "fijibridge convert Results.xls results.parquet",
    ),
)
