"""Damaged and hostile files of tracks: one error, nothing else; TrackMate's tables."""

from __future__ import annotations

import contextlib
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import FijiBridgeError, FormatError
from fijibridge.formats import all_formats, read_tracks, write_tracks
from fijibridge.measure.object_features import survey
from fijibridge.model import Tracks
from formats.track_cases import movie

OBJECTS = [(t, n) for t in range(3) for n in (1, 2, 3)]
FORMATS = {f.name: f for f in all_formats() if f.write_tracks and f.read_tracks}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracks")
    source = movie(OBJECTS, 3)
    seen = survey(source)
    tracks = Tracks.from_links(
        *([1, 1, 1, 2, 2], [1, 2, 3, 1, 2], [1, 2, 2, 1, 3]), objects=seen.ids, frames=3
    ).with_features(seen.features)
    for name in FORMATS:
        write_tracks(tracks, folder / name, to=name, labels=source, big_data_viewer="m.xml")
    return folder


def files_of(path):
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


@pytest.mark.parametrize("name", sorted(FORMATS))
@settings(max_examples=pytest.count(10, 1000))
@given(data=st.data())
def test_damaged_files_are_errors(written, tmp_path_factory, name, data):
    folder = tmp_path_factory.mktemp("damaged")
    for path in FORMATS[name].track_paths(written / name).values():
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, folder / path.name)
    paths = FORMATS[name].track_paths(folder / name)
    first = next(iter(paths.values()))
    target = data.draw(st.sampled_from([f for p in paths.values() for f in files_of(p)]))
    raw = bytearray(target.read_bytes())
    how = data.draw(st.sampled_from(["cut", "byte", "swap", "gone", "number"]))
    if how == "gone":
        target.unlink()
    elif raw:
        at = data.draw(st.integers(0, len(raw) - 1))
        if how == "cut":
            raw = raw[:at]
        elif how == "byte":
            raw[at] = data.draw(st.integers(0, 255))
        elif how == "swap":
            raw = raw[at:] + raw[:at]
        else:
            raw[at : at + 1] = data.draw(
                st.sampled_from([b"-1", b"99999999999999999999", b"1e400", b"nan", b"\0"])
            )
        target.write_bytes(bytes(raw))
    with contextlib.suppress(FijiBridgeError):
        assert isinstance(read_tracks(first), Tracks)
    shutil.rmtree(folder)


def test_entities_are_refused(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><TrackMate version="7">'
        "<Model>&a;</Model></TrackMate>"
    )
    with pytest.raises(FormatError, match="document type"):
        read_tracks(path)


def test_challenge_faults_are_one_error(written, tmp_path):
    folder = tmp_path / "ctc"
    shutil.copytree(written / "celltrackingchallenge", folder)
    (folder / "mask001.tif").unlink()
    with pytest.raises(FormatError, match="frame 1 is missing"):
        read_tracks(folder)
    shutil.copy(folder / "mask000.tif", folder / "mask001.tif")
    with pytest.raises(FormatError) as caught:
        read_tracks(folder)
    assert "is not in frame 1" in caught.value.message
    (folder / "res_track.txt").write_text("1 0 2 0\n1 0 1 0\n2 2 1 0\n3 0 2 9\n")
    with pytest.raises(FormatError) as caught:
        read_tracks(folder)
    for words in ("track 1 has several lines", "2 ends before", "3 has the parent 9"):
        assert words in caught.value.message
    (folder / "res_track.txt").write_text("1 0 2\n")
    with pytest.raises(FormatError, match="four whole numbers"):
        read_tracks(folder)


def test_names_of_four_digits(written, tmp_path):
    folder = tmp_path / "01_GT"
    folder.mkdir()
    theirs = written / "celltrackingchallenge"
    for t in range(3):
        shutil.copy(theirs / f"mask{t:03d}.tif", folder / f"man_track{t:04d}.tif")
    shutil.copy(theirs / "res_track.txt", folder / "man_track.txt")
    assert np.array_equal(read_tracks(folder).link, read_tracks(theirs).link)


SPOTS = """LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame
,,,(quality),(micron),(micron),(micron),(sec),
ID4,4,0,1.5,1.0,2.0,0.0,0.0,0
ID5,5,0,1.5,1.5,2.0,0.0,1.0,1
ID7,7,0,1.5,1.0,2.5,0.0,2.0,2
ID8,8,0,1.5,9.0,9.5,0.0,2.0,2
ID9,9,0,1.5,9.0,9.9,0.0,3.0,3
ID6,6,,1.5,5.0,5.0,0.0,1.0,1
"""


def test_spot_tables_of_trackmate(tmp_path):
    (tmp_path / "spots.csv").write_text(SPOTS)
    found = read_tracks(tmp_path / "spots.csv")
    assert found.ids.tolist() == [[0, 5], [1, 6], [1, 7], [2, 8], [2, 9], [3, 10]]
    assert found.link.tolist() == [-1, 0, -1, 1, 1, 4]
    assert found.tracked.tolist() == [True, True, False, True, True, True]
    assert found.features["QUALITY"].tolist() == [1.5] * 6
    assert found.features["Center of the object_0"][0] == 1.0
