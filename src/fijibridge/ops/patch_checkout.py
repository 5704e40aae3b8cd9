"""``patch checkout STORE REGION OUT``: a sub-volume of a Zarr store as a file to edit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fijibridge.errors import SettingsError
from fijibridge.ops._inputs import check_sources
from fijibridge.ops._kinds import PATH, TEXT
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._settings import setting, settings

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from fijibridge.model import Region
    from fijibridge.ops._operation import Context
    from fijibridge.patch.checkout import CheckoutPlan
    from fijibridge.patch.provenance import Provenance

__all__ = ["OPERATION", "CheckoutSettings", "checkout"]


@settings
class CheckoutSettings:
    """Settings of ``patch checkout``."""

    store: str = setting(
        kind=PATH,
        metavar="STORE",
        positional=True,
        help="Zarr array or OME-Zarr image; the path may go on inside (a.zarr/labels/nuclei)",
    )
    region: str = setting(
        kind=TEXT,
        metavar="REGION",
        positional=True,
        help="z=5:15,y=40:120,x=40:120, or by lengths z=5um:15um; an axis left out is whole",
    )
    out: str | None = setting(
        None,
        kind=PATH,
        metavar="OUT",
        positional=True,
        aliases=("output",),
        help="the file: .tif, .ome.tif, .nii.gz, .dcm, .npy, .h5",
    )
    level: str | None = setting(
        None, kind=TEXT, metavar="LEVEL", help="level of a pyramid by number or name; default 0"
    )
    to: str | None = setting(
        None, kind=TEXT, metavar="FORMAT", help="format, where a suffix fits several"
    )


def _facts(plan: CheckoutPlan) -> dict[str, object]:
    from fijibridge.patch.region import region_text

    level = plan.stored
    return {
        "store": plan.pyramid.store.where,
        "image": plan.pyramid.node,
        "level": level.name,
        "region": region_text(level.axes, plan.region),
        "axes": plan.spec.axes.keys,
        "shape": list(plan.spec.shape),
        "dtype": str(plan.spec.dtype),
        "bytes": plan.spec.nbytes,
        "chunks": sum(1 for _ in level.units(plan.region)),
        "filter": plan.detected.rule.name,
        "filter_found": plan.detected.text,
    }


def _run(value: CheckoutSettings, context: Context) -> Plan:
    from fijibridge.patch.checkout import plan_checkout
    from fijibridge.patch.provenance import sidecar_of
    from fijibridge.patch.store import plain_path

    if value.out is None:
        raise SettingsError(
            "patch checkout needs a file to write.",
            "Type: fijibridge patch checkout STORE z=0:10,y=0:100,x=0:100 patch.tif",
        )
    check_sources([plain_path(value.store)])
    plan = plan_checkout(
        value.store,
        value.region,
        value.out,
        level=value.level,
        to=value.to,
        overwrite=context.options.overwrite,
    )
    job = Job(
        title=value.store,
        run=partial(_job, plan),
        sources=(value.store,),
        targets={"patch": value.out, "origin": str(sidecar_of(plan.out.path))},
        planned=_facts(plan),
    )
    return Plan(jobs=(job,))


def _job(plan: CheckoutPlan, _earlier: Mapping[str, JobReport]) -> JobReport:
    from fijibridge.patch.checkout import run_checkout

    facts = _facts(plan)
    origin = run_checkout(plan)
    data = {**facts, "id": origin.id, "sha256": origin.sha256}
    return JobReport(line=f"{plan.text}; patch {origin.id}", data=data, value=origin)


def checkout(
    store: str | os.PathLike[str],
    region: str | Region | Mapping[str, Sequence[float | None]] | Sequence[slice],
    out: str | os.PathLike[str],
    *,
    level: int | str | None = None,
    overwrite: bool = False,
) -> Provenance:
    """Copy a region of a Zarr store into a file that remembers where it came from.

    Parameters
    ----------
    store
        Zarr array or OME-Zarr image (2 or 3, 0.4 or 0.5, sharded or not, zipped too); the path may
        go on inside (``a.zarr/labels/nuclei``).
    region
        ``"z=5:15,y=40um:120um"``, a mapping of axis to (start, stop), one slice an axis, or a
        `Region`; axes left out are whole.
    out
        The file: .tif (ImageJ), .ome.tif, .nii.gz, .dcm, .npy, .h5. ``NAME_patch.json`` is written
        beside it.
    level
        Level of a pyramid by number or name; None = the finest.
    overwrite
        Replace existing files.

    Returns
    -------
    Provenance
        Where the patch came from: store, level, region, SHA-256 of the pixels, a short id.

    Raises
    ------
    SettingsError
        When the region is empty or lies outside, or a target exists.
    FormatError
        When there is no store, or it is damaged.
    UnsupportedError
        When the format cannot hold the pixels.
    """
    from fijibridge.patch.checkout import plan_checkout, run_checkout

    return run_checkout(plan_checkout(store, region, out, level=level, overwrite=overwrite))


OPERATION = Operation(
    name="patch checkout",
    menu="FijiBridge Patch Checkout...",
    summary="a sub-volume of a Zarr store as a file to edit, which remembers where it came from",
    settings=CheckoutSettings,
    run=_run,
    targets=("out",),
    shows={"out": "{folder}/{name}.tif"},
    examples=("fijibridge patch checkout big.ome.zarr z=5:15,y=40:120,x=40:120 patch.tif",),
)
