"""``demo [DIR]``: the main job on a generated image, and the real ImageJ on the same file."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import BridgeError, MissingDependencyError
from fijibridge.ops._kinds import PATH
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._record import SUFFIX, made_before
from fijibridge.ops._settings import setting, settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.ops._host import Witness
    from fijibridge.ops._operation import Context, Report

__all__ = ["OPERATION", "DemoSettings"]

_THRESHOLD = "Otsu dark"
_SIZE = "10-Infinity"
_MEASUREMENTS = "area mean standard min centroid perimeter shape feret's integrated"
_FILES = {
    "image": "nuclei.tif",
    "table": "nuclei_Results.tsv",
    "rois": "nuclei_RoiSet.zip",
    "labels": "nuclei_labels.tif",
    "overlay": "nuclei_overlay.png",
    "geojson": "nuclei.geojson",
    "zarr": "nuclei.ome.zarr",
    "settings": f"nuclei{SUFFIX}",
}


@settings
class DemoSettings:
    """Settings of ``demo``."""

    outdir: str = setting(
        "fijibridge_demo",
        kind=PATH,
        metavar="DIR",
        positional=True,
        aliases=("dir",),
        help="folder for the files; default fijibridge_demo",
    )
    imagej: bool = setting(
        default=True, help="compare with the real ImageJ (--imagej=false leaves it out)"
    )


def _verb(name: str, **values: Any) -> Report:
    from fijibridge.ops import run_verb

    return run_verb(name, overwrite=True, **values)


def _job(value: DemoSettings, context: Context, _earlier: Mapping[str, JobReport]) -> JobReport:
    from fijibridge.formats import write_image
    from fijibridge.ops._sample import sample_image

    folder = Path(value.outdir)
    path = {key: str(folder / name) for key, name in _FILES.items()}
    lines = [f"Generated {path['image']}: 1024 x 1024 pixels of 0.325 µm, 16 bit"]
    write_image(sample_image(), path["image"], overwrite=True)
    report = _verb(
        "particles",
        input=[path["image"]],
        threshold=_THRESHOLD,
        size=_SIZE,
        measurements=_MEASUREMENTS,
        **{key: path[key] for key in ("table", "rois", "labels", "overlay")},
    )
    lines += report.lines
    lines += _verb("convert", input=path["labels"], output=path["geojson"], no_settings=True).lines
    lines += _verb("convert", input=path["image"], output=path["zarr"], no_settings=True).lines
    inside = f"{path['zarr']}/labels/nuclei"
    lines += _verb(
        "convert", input=path["labels"], output=inside, role="labels", no_settings=True
    ).lines
    data: dict[str, Any] = {"count": report.to_json()["count"], "files": path}
    if value.imagej:
        same, said = _compare(path, context.witness)
        lines.append(said)
        data["identical"] = same
    lines.append(f"Everything is in {folder.absolute()}")
    return JobReport(line="\n".join(lines), data=data)


def _compare(path: Mapping[str, str], witness: Witness | None) -> tuple[bool | None, str]:
    """Return whether the real ImageJ says the same, and the line that tells it."""
    from fijibridge.formats import read_image

    if witness is None:
        return None, "ImageJ: not compared, this installation has no bridge"
    try:
        found = witness(
            path["image"],
            threshold=_THRESHOLD,
            options=f"size={_SIZE}",
            measurements=f"{_MEASUREMENTS} redirect=None decimal=3",
        )
    except (BridgeError, MissingDependencyError) as error:
        return None, f"ImageJ: not compared. {error}"
    with zipfile.ZipFile(path["rois"]) as archive:
        ours = [(e.filename.removesuffix(".roi"), archive.read(e)) for e in archive.infolist()]
    labels = read_image(path["labels"]).data
    same = {
        "table": Path(path["table"]).read_bytes() == found.table,
        "ROIs": ours == [(name, bytes(record)) for name, record in found.rois],
        "labels": labels.shape == found.labels.shape and bool((labels == found.labels).all()),
    }
    told = ", ".join(f"{what} {'yes' if yes else 'no'}" for what, yes in same.items())
    every = all(same.values())
    return every, f"ImageJ {found.version}, identical: {'yes' if every else 'no'} ({told})"


def _run(value: DemoSettings, context: Context) -> Plan:
    folder = Path(value.outdir)
    job = Job(
        title="demo",
        run=partial(_job, value, context),
        targets={key: str(folder / name) for key, name in _FILES.items()},
        record=str(folder / f"demo{SUFFIX}"),
        replaces=made_before(folder / f"demo{SUFFIX}", "demo"),
    )
    return Plan(jobs=(job,))


OPERATION = Operation(
    name="demo",
    menu="",
    summary="the main job on a generated image, compared with the real ImageJ",
    settings=DemoSettings,
    run=_run,
    examples=("fijibridge demo out",),
)
