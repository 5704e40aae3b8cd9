"""Writing and reading tracks: the identity within what each format says that it can hold."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.formats import all_formats, read_tracks, write_tracks
from fijibridge.formats._location import Location
from formats.track_cases import partition, same_links, tracked_movies

FORMATS = {f.name: f for f in all_formats() if f.write_tracks and f.read_tracks}


def round_trip(name, tracks, labels):
    folder = Path(tempfile.mkdtemp())
    try:
        fmt = FORMATS[name]
        write_tracks(tracks, folder / "made", to=name, labels=labels, big_data_viewer="d/movie.xml")
        paths = fmt.track_paths(folder / "made")
        assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in paths.values())
        found = read_tracks(next(iter(paths.values())))
        seen = None
        if fmt.track_labels is not None:
            source = fmt.track_labels(Location(next(iter(paths.values()))))
            axes = source.spec.axes
            from fijibridge.model import Region

            data = source.read(Region.whole(source.spec.shape))
            order = [axes.index(k) for k in "tzyx"]
            seen = data.transpose(order)
            source.close()
        return found, seen
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", sorted(FORMATS))
@settings(max_examples=pytest.count(15, 300))
@given(case=tracked_movies(features=True), extra=st.integers(0, 1))
def test_round_trip(name, case, extra):
    tracks, labels = case
    lost = " | ".join(FORMATS[name].lost_tracks(tracks))
    found, seen = round_trip(name, tracks, labels)
    if name in ("celltrackingchallenge", "napari"):
        return check_challenge(tracks, found, seen, labels)
    kept = np.ones(len(tracks), bool)
    if "of no track" in lost:
        kept = tracks.tracked
    if name == "h5-event-sequence":
        assert np.array_equal(seen, labels.image.reorder("tzyx").data)
    assert np.array_equal(found.ids, tracks.ids[kept])
    rows = np.flatnonzero(kept)
    renamed = np.full(len(tracks) + 1, -1)
    renamed[rows] = np.arange(len(rows))
    link = renamed[tracks.link[rows]]
    if "over a gap" in lost:
        gap = link >= 0
        gap &= tracks.t[rows] - tracks.t[tracks.link[rows]] > 1
        one = tracks.children[tracks.link[rows]] < 2
        link = np.where(gap & one, -1, link)
    assert np.array_equal(found.link, link)
    if "one object" not in lost:
        assert np.array_equal(found.tracked, tracks.tracked[rows])
    if "the numbers of the tracks" not in lost:
        assert np.array_equal(found.track, tracks.track[rows])
    elif "one object" not in lost:
        assert partition(found.track, tracks.track[rows])
    if "the numbers of the lineages" not in lost:
        assert np.array_equal(found.lineage, tracks.lineage[rows])
    if "out of a cluster" not in lost:
        assert np.array_equal(found.merger, tracks.merger[rows])
    if "counted as" not in lost:
        assert np.array_equal(found.count[found.tracked], tracks.count[rows][found.tracked])
    if "measurements" not in lost and len(rows):
        for heading, values in tracks.features.columns.items():
            if heading in found.features:
                whole = any(w in heading for w in ("Center", "Bounding")) and name == "csv-table"
                want = values[rows].astype(float)
                want = np.trunc(want) if whole else want
                assert np.allclose(found.features[heading], want, atol=1e-6), heading
    return None


def check_challenge(tracks, found, seen, labels):
    """Every tracked object is there under its track; tracks follow as the links say."""
    rows = np.flatnonzero(tracks.tracked)
    assert len(found) == len(rows)
    masks = labels.image.reorder("tzyx").data
    if seen is None:
        place = {r: int(found.find([[tracks.t[r], tracks.track[r]]])[0]) for r in rows}
        return same_parents(tracks, found, rows, place)
    assert np.array_equal(seen > 0, np.isin(masks, tracks.label) & (seen > 0))
    place = {}
    for row in rows:
        t, label = tracks.ids[row]
        value = np.unique(seen[t][masks[t] == label])
        assert len(value) == 1
        assert value[0] > 0
        place[int(row)] = int(found.find([[t, value[0]]])[0])
    return same_parents(tracks, found, rows, place)


def same_parents(tracks, found, rows, place):
    for row in rows:
        parent = int(tracks.link[row])
        want = place[parent] if parent >= 0 else -1
        assert int(found.link[place[int(row)]]) == want


def test_links_of_json_are_the_same(tmp_path):
    from fijibridge.model import Tracks

    tracks = Tracks.from_links([0, 1, 1, 3], [1, 1, 2, 1], [0, 1, 1, 2], [0, 0, 0, 1])
    write_tracks(tracks, tmp_path / "a", to="JSON")
    assert same_links(tracks, read_tracks(tmp_path / "a_result.json"))
