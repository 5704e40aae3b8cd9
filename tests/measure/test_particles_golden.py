"""Every case made by the real ImageJ: printed table, full values, labels, ROIs, summary."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from fijibridge.formats import read_image, write_table
from fijibridge.measure.particle_settings import ParticleSettings
from fijibridge.measure.particles import analyze_particles
from fijibridge.measure.threshold import resolve_threshold
from fijibridge.model import Roi

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "golden" / "imagej"
CASES = sorted(p.name for p in FOLDER.iterdir() if p.is_dir()) if FOLDER.is_dir() else ["none"]
SWITCHES = ("exclude", "include", "four", "composite", "record", "stack", "pixel_units")
ROI_TYPES = {"traced": "TRACED", "polygon": "POLYGON", "rectangle": "RECT", "composite": "RECT"}


def case_settings(options: dict, image) -> ParticleSettings:
    threshold = options.get("threshold")
    if threshold is not None:
        text = threshold if isinstance(threshold, str) else f"{threshold[0]!r},{threshold[1]!r}"
        threshold = resolve_threshold(image, text, slice=options.get("slice"))
    outputs = {"table", "labels", "rois"} | ({"summary"} if options.get("summarize") else set())
    return ParticleSettings(
        threshold=threshold,
        white_background=not options.get("black_background", True),
        size=tuple(float(v) for v in options.get("size", (0, math.inf))),
        circularity=tuple(options.get("circularity", (0, 1))),
        slice=None if options.get("stack") else options.get("slice"),
        select=selection(options.get("roi")),
        measurements=tuple(options["measurements"]),
        decimal=int(options.get("decimal", 3)),
        outputs=frozenset(outputs),
        **{k: True for k in SWITCHES if options.get(k)},
    )


def selection(roi: list | None) -> Roi | None:
    if not roi:
        return None
    kind, numbers = roi[0], roi[1:]
    if kind == "polygon":
        return Roi(kind="polygon", points=np.array(numbers, np.int32).reshape(-1, 2))
    name = {"rect": "rectangle", "oval": "oval"}[kind]
    return Roi(kind=name, bounds=tuple(float(v) for v in numbers))


def number(text: str) -> float:
    return float(text.replace("Infinity", "inf"))


@pytest.mark.parametrize("name", CASES)
def test_case_is_imagejs(name, shared, tmp_path):
    case = shared / "golden" / "imagej" / name
    options = json.loads((case / "options.json").read_text())
    image = read_image(case / "input.tif")
    redirect = read_image(case / options["redirect"]) if options.get("redirect") else None
    result = analyze_particles(image, case_settings(options, image), redirect=redirect)

    for suffix in ("csv", "tsv"):
        target = tmp_path / f"results.{suffix}"
        write_table(result.table, target)
        wanted = case / f"results.{suffix}"
        assert target.read_bytes() == (wanted.read_bytes() if wanted.exists() else b"")
    if (case / "values.csv").exists():
        with (case / "values.csv").open() as file:
            headings, *rows = csv.reader(file)
        for k, heading in enumerate(headings):
            if heading in ("Label", "Slice") and result.table[heading].dtype == object:
                continue
            values = np.array([number(row[k]) for row in rows])
            assert np.array_equal(result.table[heading], values, equal_nan=True), heading
    if (case / "labels.tif").exists():
        labels = read_image(case / "labels.tif").data.squeeze()
        assert np.array_equal(np.minimum(result.labels.data.squeeze(), 65535), labels)
    if (case / "summary.csv").exists():
        target = tmp_path / "summary.csv"
        write_table(result.summary, target)
        assert target.read_bytes() == (case / "summary.csv").read_bytes()
    if (case / "rois.zip").exists():
        import roifile

        check_rois(roifile.roiread(str(case / "rois.zip")), result.rois)


def check_rois(records, rois) -> None:
    records = records if isinstance(records, list) else [records]
    assert [r.name for r in records] == list(rois.names)
    for record, roi in zip(records, rois, strict=True):
        assert record.roitype.name == ROI_TYPES[roi.kind]
        if roi.kind == "rectangle":
            box = (record.left, record.top, record.right - record.left, record.bottom - record.top)
            assert box == roi.bounds
        elif roi.kind == "composite":
            loops = record.coordinates(multi=True)
            assert len(loops) == len(roi.paths)
            for theirs, ours in zip(loops, roi.paths, strict=True):
                assert np.array_equal(theirs[: len(ours)], ours)
        else:
            assert np.array_equal(record.coordinates(), roi.points)
        position = roi.position
        assert record.position == position.slice
        assert (record.c_position, record.z_position, record.t_position) == (
            position.c,
            position.z,
            position.t,
        )
