"""ilastik's own tracking exports (golden/ilastik s70), byte for byte, and its numbering."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile  # noqa: TID253  # a witness

from fijibridge.formats import read_tracks, write_tracks
from fijibridge.measure.object_features import survey
from fijibridge.model import Image, Tracks
from formats.track_cases import Source


@pytest.fixture(scope="module")
def case(shared):
    folder = shared / "golden/ilastik/s70_tracking_division_2d"
    about = json.loads((folder / "case.json").read_text())
    arrays = np.load(folder / "input/images.npz")
    labels = Source(Image.from_array(arrays["labels"], "txyzc", role="labels"))
    raw = Source(Image.from_array(arrays["raw"], "txyzc"))
    seen = survey(labels, raw)
    before = {tuple(b): a[1] for a, b in about["edges"]}
    rows = [(*node, before.get(tuple(node), 0)) for node, said in about["nodes"] if said["trackId"]]
    tracks = Tracks.from_links(*zip(*rows, strict=True), objects=seen.ids, frames=seen.frames)
    return folder, about, labels, raw, tracks, seen


def test_numbers_are_ilastiks(case):
    _, about, _, _, tracks, _ = case
    for row, (node, said) in enumerate(about["nodes"]):
        assert tracks.ids[row].tolist() == node
        assert tracks.track[row] == (said["trackId"] or 0)
        assert tracks.lineage[row] == (said["lineageId"] or 0)


def test_measurements_are_vigras(case):
    folder, _, _, _, tracks, seen = case
    said = json.loads((folder / "input/features.json").read_text())
    names = {
        "Count": "Size in pixels",
        "RegionCenter": "Center of the object",
        "RegionRadii": "Radii of the object",
        "RegionAxes": "Principal components of the object",
        "Mean": "Mean Intensity",
        "Variance": "Variance of Intensity",
    }
    for row, (t, label) in enumerate(tracks.ids.tolist()):
        for key, values in said[str(t)]["Standard Object Features"].items():
            for i, value in enumerate(values[label]):
                name = names.get(key)
                if name is not None:
                    heading = name if key == "Count" else f"{name}_{i}"
                    got = float(seen.features[heading][row])
                    assert got == pytest.approx(value, rel=2e-7, abs=1e-7), heading


@pytest.mark.parametrize(
    ("plugin", "base", "files"),
    [
        ("CSV-Table", "trk", ["trk.csv"]),
        ("CellTrackingChallenge", "ctc", ["ctc/res_track.txt"]),
        ("Contours", "con", ["con.outline"]),
        ("Contours-With-Head", "cwh", ["cwh.contours"]),
        ("Multi-Worm-Tracker", "mwt", ["mwt.blobs", "mwt.summary"]),
    ],
)
def test_files_are_ilastiks(case, tmp_path, plugin, base, files):
    folder, _, labels, raw, tracks, seen = case
    tracks = tracks.with_features(seen.features)
    write_tracks(tracks, tmp_path / base, to=plugin, labels=labels, raw=raw)
    for name in files:
        assert (tmp_path / name).read_bytes() == (folder / "expected" / name).read_bytes(), name
    for mask in sorted((folder / "expected" / base).glob("*.tif")):
        ours, theirs = tifffile.imread(tmp_path / base / mask.name), tifffile.imread(mask)
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


def test_readers_of_golden_files(case):
    folder, _, _, _, tracks, _ = case
    table = read_tracks(folder / "expected/trk.csv")
    assert np.array_equal(table.ids, tracks.ids)
    assert np.array_equal(table.link, tracks.link)
    assert np.array_equal(table.track, tracks.track)
    challenge = read_tracks(folder / "expected/ctc")
    kept = tracks.tracked
    assert np.array_equal(np.sort(challenge.track), np.sort(tracks.track[kept]))
    assert challenge.label.tolist() == (challenge.track - 1).tolist()
    assert challenge.parent[challenge.parent > 0].tolist() == [3, 3]
