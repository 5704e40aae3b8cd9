"""The words of ``export``: ilastik's flags and those of this program, declared once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.export.outputs import OUTPUTS
from fijibridge.export.settings import (
    Cutout,
    parse_axis_order,
    parse_cutout,
    parse_dtype,
    parse_pair,
)
from fijibridge.ops._kinds import FLAG, INTEGER, PATH, PATHS, TEXT, Kind
from fijibridge.ops._settings import from_mapping, setting, settings
from fijibridge.ops._shared_settings import each_setting

if TYPE_CHECKING:
    from fijibridge.export.recipe import Product
    from fijibridge.export.settings import ExportSettings

__all__ = ["CUTOUT", "MEMORY", "ExportVerbSettings", "engine_settings", "recipe_products"]

_VALUES = "what is done to the pixels"
_NAMES = "what is written, and where"
_READ = "how the input is read"
_WORK = "how the work is done"
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def _memory(value: Any, name: str) -> int:
    """Return bytes of ``1GB``, ``500 MiB`` or a number.

    Examples
    --------
    >>> _memory("1.5kB", "memory"), _memory("1 MiB", "memory"), _memory(7, "memory")
    (1500, 1048576, 7)
    """
    match = _MEMORY.fullmatch(str(value))
    if match is None or isinstance(value, bool):
        raise SettingsError(f"{name} is {value!r}; allowed is a size such as 1GB or 500MB.")
    unit = match[2].lower()
    factor = 1024 ** "kmgt".index(unit) * 1024 if match[3] and unit else _UNITS[unit]
    found = int(float(match[1]) * factor)
    if found < 1:
        raise SettingsError(f"{name} is {value!r}; it must be 1 byte or more.")
    return found


def _cutout_text(value: Cutout) -> str:
    if value.named:
        return ",".join(
            f"{key}={'' if a is None else a}:{'' if b is None else b}"
            for key, (a, b) in value.named.items()
        )
    parts = [", ".join(map(str, part)) for part in (value.start, value.stop)]
    return f"[[{parts[0]}], [{parts[1]}]]"


def _pair_text(value: tuple[float, float]) -> str:
    return f"({value[0]!r},{value[1]!r})"


CUTOUT = Kind(
    metavar="[(STARTS),(STOPS)]", parse=parse_cutout, dump=_cutout_text, text=_cutout_text
)
DTYPE = Kind(metavar="DTYPE", parse=parse_dtype)
ORDER = Kind(metavar="LETTERS", parse=parse_axis_order)
PAIR = Kind(metavar="(LOW,HIGH)", parse=parse_pair, dump=list, text=_pair_text)
MEMORY = Kind(metavar="SIZE", parse=_memory)


@settings
class ExportVerbSettings:
    """Settings of ``export``; the words are ilastik's."""

    inputs: tuple[str, ...] = setting(
        (),
        kind=PATHS,
        metavar="INPUT",
        positional=True,
        aliases=("input",),
        help="images; a path may go on inside a file; a quoted pattern is one stack",
    )
    input_data: tuple[str, ...] = setting(
        (), kind=PATHS, metavar="INPUT", group=_READ, help="the same as INPUT, ilastik's flag"
    )
    each: str | None = each_setting(group=_READ)
    input_axes: str | None = setting(
        None,
        kind=ORDER,
        group=_READ,
        aliases=("axes",),
        help="axes of the input, such as zyx",
    )
    stack_along: str = setting(
        "z", kind=ORDER, metavar="AXIS", group=_READ, help="axis of the files of a pattern"
    )
    role: str | None = setting(
        None,
        kind=TEXT,
        choices=("labels", "intensity", "probabilities"),
        metavar="ROLE",
        group=_READ,
        help="labels, intensity or probabilities; left out: as the file says",
    )
    preconvert_stacks: bool = setting(
        default=False, group=_READ, help="ilastik's; stacks are read as they are, in bounded memory"
    )
    export_source: str = setting(
        "Input", kind=TEXT, metavar="NAME", group=_READ, help="Input, the only source here"
    )
    cutout_subregion: Cutout | None = setting(
        None,
        kind=CUTOUT,
        group=_VALUES,
        help="the part that is written, in the input's axis order, None = open end; or "
        "z=0:10,y=:100",
    )
    export_dtype: str | None = setting(None, kind=DTYPE, group=_VALUES, help="pixel type")
    pipeline_result_drange: tuple[float, float] | None = setting(
        None, kind=PAIR, group=_VALUES, help="the range of values that becomes export_drange"
    )
    export_drange: tuple[float, float] | None = setting(
        None, kind=PAIR, group=_VALUES, help="the range of values afterwards"
    )
    output_axis_order: str | None = setting(
        None, kind=ORDER, group=_VALUES, help="axes of the output, such as tzyxc"
    )
    downscale: str | None = setting(
        None,
        kind=TEXT,
        choices=("linear", "mean", "nearest"),
        metavar="linear|mean|nearest",
        group=_VALUES,
        help="how the levels of a pyramid are made; left out: linear, labels nearest",
    )
    ome_zarr_version: str | None = setting(
        None,
        kind=TEXT,
        choices=("0.4", "0.5"),
        metavar="0.4|0.5",
        group=_NAMES,
        help="of an OME-Zarr; left out: 0.4, which Fiji and MoBIE open",
    )
    compat: str | None = setting(
        None,
        kind=TEXT,
        choices=("ilastik",),
        metavar="ilastik",
        group=_VALUES,
        help="bit for bit what current ilastik writes, truncation, wrapping and names included",
    )
    output_format: str | None = setting(
        None,
        kind=TEXT,
        metavar="FORMAT",
        group=_NAMES,
        help="left out: as the suffix says, else compressed hdf5; one of: "
        + ", ".join(one.name for one in OUTPUTS.values()),
    )
    output_filename_format: str = setting(
        "{dataset_dir}/{nickname}_{result_type}",
        kind=TEXT,
        metavar="NAME",
        group=_NAMES,
        help="name with placeholders: dataset_dir, nickname, result_type, roi, x_start, x_stop, …, "
        "index, slice_index",
    )
    output_internal_path: str = setting(
        "exported_data",
        kind=TEXT,
        metavar="PATH",
        group=_NAMES,
        help="place inside HDF5 and N5 files",
    )
    recipe: str | None = setting(
        None,
        kind=TEXT,
        metavar="FILE",
        group=_NAMES,
        help="several products of each input in one read: a TOML or JSON list of these options",
    )
    report: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE.html",
        group=_NAMES,
        help="page with thumbnails, settings, times and failures",
    )
    delete: bool = setting(
        default=False,
        kind=FLAG,
        group=_NAMES,
        help="delete what an export with these settings has written; lists it and asks first",
    )
    yes: bool = setting(
        default=False, kind=FLAG, group=_NAMES, help="with --delete: do not ask, just list"
    )
    scheduler: str | None = setting(
        None,
        kind=TEXT,
        metavar="tcp://HOST:PORT",
        group=_WORK,
        help="work on the dask.distributed cluster of this scheduler",
    )
    jobs: int = setting(0, kind=INTEGER, group=_WORK, help="threads; 0 = one a core")
    memory: int = setting(
        1 << 28, kind=MEMORY, group=_WORK, help="what blocks in flight may take, such as 1GB"
    )
    headless: bool = setting(
        default=False, kind=FLAG, group=_WORK, help="ilastik's; nothing here opens windows"
    )
    readonly: bool = setting(
        default=False, kind=FLAG, group=_WORK, help="ilastik's; inputs are never changed"
    )
    ignore_training_axistags: bool = setting(
        default=False, kind=FLAG, group=_WORK, help="ilastik's; an export has no training data"
    )
    new_project: str | None = setting(
        None, kind=TEXT, metavar="FILE", group=_WORK, help="ilastik's; no project is made"
    )
    workflow: str | None = setting(
        None, kind=TEXT, metavar="NAME", group=_WORK, help="ilastik's: Data Conversion"
    )

    def check(self) -> None:
        """Refuse what does not go together."""
        if self.jobs < 0:
            raise SettingsError(f"jobs is {self.jobs}; allowed is 0 or more.")
        if len(self.stack_along) != 1:
            raise SettingsError(f"stack_along is {self.stack_along!r}; allowed is one letter.")
        if self.workflow is not None and self.workflow.strip().lower() != "data conversion":
            raise SettingsError(
                f"workflow is {self.workflow!r}; an export is ilastik's workflow Data Conversion.",
                "A trained project of another workflow runs with the verb ilastik.",
            )
        if self.yes and not self.delete:
            raise SettingsError("yes answers the question of --delete, which is not given.")
        if self.report is not None and not self.report.lower().endswith((".html", ".htm")):
            raise SettingsError(f"report is {self.report!r}; it is a page, FILE.html.")
        if self.output_format is not None:
            from fijibridge.export.outputs import output_named

            output_named(self.output_format)


#: Fields of the engine's settings that are the verb's under the same name.
_SHARED = (
    *("output_format", "output_filename_format", "output_internal_path", "cutout_subregion"),
    *("export_dtype", "output_axis_order", "pipeline_result_drange", "export_drange"),
    *("export_source", "input_axes", "stack_along", "role", "downscale", "jobs", "memory"),
    "ome_zarr_version",
)


#: What an option set of a recipe may hold.
_PRODUCT = frozenset({*_SHARED, "compat"} - {"jobs", "memory"})


def engine_settings(value: ExportVerbSettings, *, overwrite: bool) -> ExportSettings:
    """Return the engine's settings."""
    from fijibridge.export.settings import ExportSettings

    chosen: dict[str, Any] = {name: getattr(value, name) for name in _SHARED}
    return ExportSettings(**chosen, compat=value.compat or "", overwrite=overwrite)  # type: ignore[arg-type]  # checked there


def recipe_products(
    value: ExportVerbSettings, *, overwrite: bool
) -> list[tuple[Product, ExportSettings]]:
    """Return the products of the recipe, each with the engine's settings; none without recipe.

    Raises
    ------
    SettingsError
        For an option that a product cannot have, or a wrong value.
    """
    if value.recipe is None:
        return []
    import dataclasses

    from fijibridge.errors import nearest
    from fijibridge.export.recipe import read_recipe

    found = []
    for product in read_recipe(value.recipe):
        odd = next((key for key in product.options if key not in _PRODUCT), None)
        if odd is not None:
            raise SettingsError(
                f"The product {product.name!r} of the recipe has the option {odd!r}, which a "
                f"product cannot have.{nearest(odd, _PRODUCT)}",
                f"Options: {', '.join(sorted(_PRODUCT))}.",
            )
        own = from_mapping(ExportVerbSettings, dict(product.options), where="export")
        given = {name: getattr(own, name) for name in product.options}
        alone = dataclasses.replace(value, **given)
        alone.check()
        found.append((product, engine_settings(alone, overwrite=overwrite)))
    return found
