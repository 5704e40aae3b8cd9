"""The words of ``fijibridge ilastik``: those of ``export``, and what a project needs."""

from __future__ import annotations

import dataclasses
from typing import Any

from fijibridge.export.settings import parse_axis_order
from fijibridge.ops._export_words import ExportVerbSettings
from fijibridge.ops._kinds import FLAG, INTEGER, PATH, PATHS, TEXT, Kind
from fijibridge.ops._project_inputs import FILTERS
from fijibridge.ops._settings import setting, settings

__all__ = ["INNER", "MEMORY", "NAME", "IlastikSettings"]

_WHAT = "the project"
_READ = "how the input is read"
_WORK = "how the work is done"
_SECOND = "what objects come from (Object Classification)"
_OTHER = "of other workflows; refused for projects that have no use for them"
NAME = "{dataset_dir}/{nickname}_{result_type}"
INNER = "exported_data"
MEMORY = 1 << 28


def _axes_list(value: Any, name: str) -> str:
    parts = value.split(",") if isinstance(value, str) else [value]
    return ",".join(parse_axis_order(part, name) for part in parts)


#: ilastik's roles of data take lists: --raw_data a b.
ROLE = dataclasses.replace(PATHS, greedy=True)
AXES = Kind(metavar="LETTERS", parse=_axes_list)


@settings
class IlastikSettings(ExportVerbSettings):
    """Settings of ``ilastik``: those of ``export``, and what a project needs."""

    project: str = setting(
        kind=PATH, metavar="P.ilp", group=_WHAT, help="the trained project, an .ilp file"
    )
    raw_data: tuple[str, ...] = setting(
        (), kind=ROLE, metavar="INPUT", group=_READ, help="the same as INPUT, ilastik's flag"
    )
    prediction_mask: tuple[str, ...] = setting(
        (),
        kind=ROLE,
        metavar="FILE",
        group=_READ,
        help="one an input: probabilities are 0 where it is 0",
    )
    input_axes: str | None = setting(
        None,
        kind=AXES,
        group=_READ,
        aliases=("axes",),
        help="axes of the input, such as zyxc; with a mask two, parted by a comma",
    )
    ignore_training_axistags: bool = setting(
        default=False,
        kind=FLAG,
        group=_READ,
        help="never take the training image's axes for those of an input",
    )
    export_source: str = setting(
        "",
        kind=TEXT,
        metavar="NAME",
        group=_WHAT,
        help="Probabilities (the default), Simple Segmentation, Uncertainty, Features, Labels; of "
        "Autocontext with ' Stage 1' or ' Stage 2', or Probabilities All Stages",
    )
    filters: str = setting(
        "fastfilters",
        kind=TEXT,
        choices=FILTERS,
        metavar="fastfilters|vigra",
        group=_WHAT,
        help="vigra for projects of an ilastik that had no fastfilters; which one fits shows where "
        "the result on a training image agrees with what was drawn there",
    )
    configfile: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE",
        group=_WORK,
        help="ilastik's configuration: threads and total_ram_mb of [lazyflow]",
    )
    logfile: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_WORK, help="what was done is added to this file"
    )
    redirect_output: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_WORK, help="the same as --logfile"
    )
    clean_paths: bool = setting(
        default=False, kind=FLAG, group=_WORK, help="ilastik's; nothing to clean here"
    )
    debug: bool = setting(
        default=False, kind=FLAG, group=_WORK, help="ilastik's; errors are always told in full"
    )
    segmentation_image: tuple[str, ...] = setting(
        (), kind=ROLE, metavar="FILE", group=_SECOND, help="one an input: a segmentation, 0 outside"
    )
    label_image: tuple[str, ...] = setting(
        (), kind=ROLE, metavar="FILE", group=_SECOND, help="one an input: a label image"
    )
    prediction_maps: tuple[str, ...] = setting(
        (), kind=ROLE, metavar="FILE", group=_SECOND, help="one an input: probabilities"
    )
    probabilities: tuple[str, ...] = setting(
        (),
        kind=ROLE,
        metavar="FILE",
        group=_SECOND,
        help="the same as --prediction_maps; of Multicut and Boundary-based Segmentation",
    )
    probabilitie_maps: tuple[str, ...] = setting(
        (), kind=ROLE, metavar="FILE", group=_SECOND, help="the same, as ilastik spells it at times"
    )
    binary_image: tuple[str, ...] = setting(
        (), kind=ROLE, metavar="FILE", group=_SECOND, help="the same as --segmentation_image"
    )
    table_filename: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE",
        group=_SECOND,
        help="writes the object table too; its suffix is the format: .csv, .tsv, .parquet, or .h5 "
        "with a cut-out of each object; for several inputs with {nickname}",
    )
    table_only: bool = setting(
        default=False, kind=FLAG, group=_SECOND, help="writes the object table and no image"
    )
    table_margin: int = setting(
        0, kind=INTEGER, metavar="PIXELS", group=_SECOND, help="around the cut-outs of an .h5 table"
    )
    export_object_prediction_img: bool = setting(
        default=False, kind=FLAG, group=_SECOND, help="ilastik's; --export_source says it better"
    )
    export_object_probability_img: bool = setting(
        default=False, kind=FLAG, group=_SECOND, help="ilastik's; --export_source says it better"
    )
    export_pixel_probability_img: bool = setting(
        default=False, kind=FLAG, group=_SECOND, help="ilastik's; --export_source says it better"
    )
    export_plugin: str | None = setting(
        None,
        kind=TEXT,
        metavar="NAME",
        group=_OTHER,
        help="Tracking, with --export_source Plugin: a layout of fijibridge tracks",
    )
    big_data_viewer_xml_file: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_OTHER, help="Tracking; by ilastik itself"
    )
    csv_export_file: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_OTHER, help="Counting; by ilastik itself"
    )
    engine: str = setting(
        "auto",
        kind=TEXT,
        choices=("native", "executable", "auto"),
        metavar="native|executable|auto",
        group=_WORK,
        help="who computes: fijibridge, or the ilastik that is installed; auto = ilastik for what "
        "does not run natively",
    )
    ilastik_executable: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE",
        group=_WORK,
        help="run_ilastik.sh or ilastik.exe; left out: ILASTIK_EXECUTABLE, or the usual places",
    )
