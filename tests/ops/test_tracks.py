"""The verb tracks: label images and links in, every layout out; bad input in one error."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.ops import run_verb
from fijibridge.ops._track_api import plugins
from formats.track_cases import movie

OBJECTS = [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 9)]
LINKS = "frame,label,parent\n0,1,0\n0,2,0\n1,1,1\n1,2,2\n2,1,1\n2,2,2\n2,3,2\n"


@pytest.fixture
def folder(tmp_path):
    image = movie(OBJECTS, 4).image
    fb.write_labels(image, tmp_path / "labels.tif")
    (tmp_path / "links.csv").write_text(LINKS)
    return tmp_path


def run(folder, **more):
    settings = {"labels": str(folder / "labels.tif"), "links": str(folder / "links.csv"), **more}
    return run_verb("tracks", **settings)


def test_every_layout_is_written_and_most_are_read(folder):
    raw = np.random.default_rng(1).integers(0, 255, (4, 3, 8, 40)).astype(np.uint8)
    fb.write_image(raw, folder / "raw.tif", axes="tcyx")
    for name, fmt in plugins().items():
        report = run(
            folder,
            export_plugin=name.lower(),
            raw_data=str(folder / "raw.tif"),
            big_data_viewer_xml_file="movie.xml",
        )
        assert report.value.track.tolist() == [2, 3, 2, 3, 2, 4, 5, 0]
        made = fmt.track_paths(folder / f"labels_{name}")
        for path in made.values():
            assert str(path) in report.outputs
            assert path.exists()
        if fmt.read_tracks is None:
            continue
        back = fb.read_tracks(next(iter(made.values())))
        assert int((back.children > 1).sum()) == 1, name
        assert len(back.list) == 4, name


def test_any_format_becomes_any_other(folder):
    run(folder, export_plugin="CellTrackingChallenge", output=str(folder / "ctc"))
    one = str(folder / "ctc")
    for name in ("H5-Event-Sequence", "TrackMate", "geff", "JSON", "CSV-Table", "Contours"):
        target = str(folder / name)
        run_verb("tracks", labels=one, export_plugin=name, output=target)
    again = fb.read_tracks(folder / "TrackMate.xml")
    assert again.track.tolist() == [2, 3, 2, 3, 2, 4, 5]
    run_verb("tracks", labels=str(folder / "TrackMate.xml"), export_plugin="geff", output=one + "g")
    assert np.array_equal(fb.read_tracks(one + "g.geff").link, again.link)
    with pytest.raises(SettingsError, match="label images"):
        run_verb("tracks", labels=one + "g.geff", export_plugin="Contours")


def test_images_of_tracks(folder):
    labels = fb.read_labels(folder / "labels.tif").data
    for which, check in {
        "Tracking-Result": lambda t, o: {1: 2, 2: 3, 3: 3}.get(o, 1),
        "Object-Identities": lambda t, o: o,
        "Merger-Result": lambda t, o: 0,
    }.items():
        target = folder / f"{which}.tif"
        run(folder, export_source=which, output=str(target))
        found = fb.read_labels(target).data
        for t, label in OBJECTS:
            assert set(np.unique(found[t][labels[t] == label])) == {check(t, label)}
        assert not found[labels == 0].any()


def test_mergers(folder):
    rows = LINKS.strip().split("\n")
    cut = [rows[0] + ",merger,lineage"] + [f"{r},{7 if r[0] == '2' else 0},0" for r in rows[1:]]
    (folder / "links.csv").write_text("\n".join(cut) + "\n")
    run(folder, export_source="Merger-Result", output=str(folder / "m.tif"))
    found = fb.read_labels(folder / "m.tif").data
    labels = fb.read_labels(folder / "labels.tif").data
    assert set(np.unique(found[2])) == {0, 2, 3}
    assert not found[[0, 1, 3]].any()
    assert np.array_equal(found[2] > 0, labels[2] > 0)
    run(folder, export_plugin="CSV-Table", output=str(folder / "t"))
    assert fb.read_tracks(folder / "t.csv").merger.tolist() == [0, 0, 0, 0, 7, 7, 7, 0]


def test_rois_follow_a_track(folder):
    run(folder, rois=str(folder / "r.zip"), table=str(folder / "t.csv"))
    rois = fb.read_rois(folder / "r.zip")
    assert rois.names == (
        *("0002-0002-t0001", "0002-0002-t0002", "0002-0002-t0003"),
        *("0003-0003-t0001", "0003-0003-t0002", "0003-0004-t0003", "0003-0005-t0003"),
    )
    assert [r.position.slice for r in rois] == [1, 2, 3, 1, 2, 3, 3]
    assert [r.group for r in rois] == [2, 2, 2, 3, 3, 3, 3]
    assert len({r.stroke_color for r in rois}) == 2
    labels = fb.read_labels(folder / "labels.tif").data
    for roi in rois:
        plane = labels[roi.position.slice - 1]
        x, y, w, h = (int(v) for v in roi.box)
        label = int(roi.properties["label"])
        assert (plane[y : y + h, x : x + w] == label).all()
    table = fb.read_table(folder / "t.csv")
    assert table["track"].tolist() == [2, 3, 2, 3, 2, 4, 5, 0]


def test_volumes(tmp_path):
    image = movie([(0, 1), (1, 4), (2, 5)], 3, deep=True)
    tracks = fb.Tracks.from_links([1, 2], [4, 5], [1, 4])
    rois = fb.track_rois(tracks, image)
    places = [(r.position.z, r.position.t) for r in rois]
    assert places == [(2, 1), (3, 1), (2, 2), (2, 3), (3, 3)]
    assert rois.names[1] == "0002-0002-t0001-z0003"
    fb.write_tracks(tracks, tmp_path / "ctc", to="CellTrackingChallenge", labels=image)
    back = fb.read_tracks(tmp_path / "ctc")
    assert back.link.tolist() == [-1, 0, 1]
    with pytest.raises(UnsupportedError, match="slices"):
        fb.write_tracks(tracks, tmp_path / "c", to="Contours", labels=image)


def test_a_pattern_is_one_file_a_frame(folder):
    labels = fb.read_labels(folder / "labels.tif").data
    for t in range(4):
        fb.write_labels(labels[t], folder / f"frame_{t}.tif", axes="yx")
    made = run(
        folder,
        labels=str(folder / "frame_*.tif"),
        export_plugin="CSV-Table",
        output=str(folder / "p"),
    )
    assert made.value.frames == 4
    run(folder, export_plugin="CSV-Table", output=str(folder / "q"))
    assert (folder / "p.csv").read_bytes() == (folder / "q.csv").read_bytes()


def test_tables_of_links(folder):
    base = run(folder, table=str(folder / "a.csv")).value
    for text in (
        "t,labelimageId,track,parent\n0,1,2,0\n0,2,3,0\n1,1,2,0\n1,2,3,0\n2,1,2,0\n2,2,4,3\n2,3,5,3\n",
        (
            "frame,label,parent,trackId,lineageId\n0,1,0,2,2\n0,2,0,3,3\n1,1,1,2,2\n1,2,2,3,3\n"
            "2,1,1,2,2\n2,2,2,4,3\n2,3,2,5,3\n"
        ),
        (
            "frame,label,track,parentTrackId\n0,1,2,0\n0,2,3,0\n1,1,2,0\n1,2,3,0\n2,1,2,0\n2,2,4,3\n"
            "2,3,5,3\n"
        ),
        "frame;label;parent_label;parent_frame\n1;1;1;0\n1;2;2;0\n2;1;1;1\n2;2;2;1\n2;3;2;1\n",
    ):
        (folder / "links.csv").write_text(text)
        found = run(folder, table=str(folder / "b.csv"), overwrite=True).value
        assert np.array_equal(found.link, base.link)
        assert np.array_equal(found.track, base.track)


BAD = {
    "two parents": ("frame,label,parent\n1,1,1\n1,1,2\n", "has two parents: 1 and 2"),
    "label": ("frame,label,parent\n1,77,1\n", "label 77 is not in frame 1"),
    "parent": ("frame,label,parent\n1,1,55\n", "label 55 is not in frame 0"),
    "frame": ("frame,label,parent\n8,1,0\n", "frame 8 is missing: there are 4 frames"),
    "cycle": ("frame,label,parent,parent_frame\n1,1,1,2\n2,1,1,1\n", "a cycle"),
    "itself": ("frame,label,track,parent\n0,1,5,5\n1,1,5,5\n", "a cycle"),
    "no track": ("frame,label,track,parent\n0,1,5,9\n", "has the parent 9, which is no track"),
    "twice": ("frame,label,track\n0,1,5\n0,2,5\n", "track 5 has two objects in frame 0"),
    "listed": ("frame,label,parent\n1,1,1\n1,1,1\n", "is listed twice"),
    "fraction": ("frame,label,parent\n1,1.5,1\n", "no whole numbers"),
    "text": ("frame,label,parent\n1,1,x\n", "it is a whole number"),
    "no column": ("frame,label\n1,1\n", "neither parent nor track"),
    "no frame": ("when,label,parent\n1,1,1\n", "no column 'frame'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_links_are_one_error(folder, case):
    text, words = BAD[case]
    (folder / "links.csv").write_text(text)
    with pytest.raises(FormatError, match=r".") as caught:
        run(folder, export_plugin="JSON")
    assert words in caught.value.message
    assert not list(folder.glob("*json"))


def test_the_first_ten_faults_are_listed(folder):
    lines = [f"1,{n},1" for n in range(50, 75)]
    (folder / "links.csv").write_text("frame,label,parent\n" + "\n".join(lines) + "\n")
    with pytest.raises(FormatError) as caught:
        run(folder, export_plugin="JSON")
    assert "25 faults" in caught.value.message
    assert "(10) label 59 is not in frame 1; and 15 more" in caught.value.message


def test_slices_that_are_frames_are_pointed_out(folder):
    data = fb.read_labels(folder / "labels.tif").data
    np.save(folder / "stack.npy", data)
    with pytest.raises(FormatError) as caught:
        run(folder, labels=str(folder / "stack.npy"), axes="zyx", export_plugin="JSON")
    assert "--axes tyx" in "".join(caught.value.__notes__)
    run(folder, labels=str(folder / "stack.npy"), axes="tyx", export_plugin="JSON")


def test_settings_that_do_not_go_together(folder):
    for more, words in (
        ({}, "writes nothing"),
        ({"export_source": "Plugin"}, "needs the name"),
        ({"export_plugin": "JSN"}, "Did you mean 'JSON'"),
        ({"export_plugin": "JSON", "export_source": "Merger-Result"}, "is an image"),
        ({"export_plugin": "Fiji-MaMuT"}, "BigDataViewer XML"),
        ({"export_plugin": "Contours-With-Head"}, "third channel"),
    ):
        with pytest.raises(SettingsError, match=r".") as caught:
            run(folder, **more)
        assert words in caught.value.message
    with pytest.raises(SettingsError, match="no links"):
        run_verb("tracks", labels=str(folder / "labels.tif"), export_plugin="JSON")


def test_dry_run_says_what_is_lost(folder, capsys):
    words = ["tracks", str(folder / "labels.tif"), "--links", str(folder / "links.csv")]
    assert main([*words, "--export_plugin", "Contours", "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert any("one outline a lineage" in line for line in said["lost"])
    assert not list(folder.glob("*.outline"))
    assert main([*words, "--export-plugin=CSV-Table"]) == 0
    assert main([*words, "--export-plugin=CSV-Table"]) == 2
    assert main([*words, "--export-plugin=CSV-Table", "--overwrite"]) == 0


def test_measurements_are_joined(folder):
    (folder / "f.csv").write_text("timestep,labelimage_oid,Mean\n0,1,5.5\n2,3,7.25\n")
    made = run(
        folder, export_plugin="CSV-Table", features=str(folder / "f.csv"), output=str(folder / "x")
    ).value
    assert made.features["Mean"][0] == 5.5
    rows = (folder / "x.csv").read_text().splitlines()
    place = rows[0].split(",").index("Mean")
    assert rows[1].split(",")[place] == "5.500000"
    assert rows[2].split(",")[place] == "nan"
    assert rows[7].split(",")[place] == "7.250000"


def test_spots_of_trackmate_have_the_outlines_of_their_objects(tmp_path):
    """Each polygon, put around its spot's centre as TrackMate does, covers the object's pixels."""
    from xml.etree import ElementTree as ET

    from skimage.draw import polygon2mask

    data = np.zeros((2, 30, 40), np.uint16)
    data[0, 3:9, 4:12] = 5
    data[0, 5:7, 6:8] = 0  # a hole is filled
    data[0, 20:22, 20:29] = 9
    data[0, 27, 30] = 9  # a second part is left out
    data[1, 4:10, 0:5] = 5
    data[1, 29, 39] = 2
    axes = fb.Axes.of("tyx", data.shape, scale={"x": 0.5, "y": 0.25, "t": 2.0}, unit="um")
    image = fb.LabelImage.from_array(data, axes)
    tracks = fb.Tracks.from_links([0, 1, 0, 1], [5, 5, 9, 2], [0, 5, 0, 0])
    fb.write_tracks(tracks, tmp_path / "a.xml", labels=image)
    root = ET.parse(tmp_path / "a.xml").getroot()  # noqa: S314
    found = 0
    for frame in root.iter("SpotsInFrame"):
        for spot in frame:
            t, label = int(frame.get("frame")), int(spot.get("LABEL_ID"))
            values = np.array(spot.text.split(" "), float).reshape(-1, 2)
            assert len(values) == int(spot.get("ROI_N_POINTS"))
            centre = [float(spot.get("POSITION_X")), float(spot.get("POSITION_Y"))]
            # TrackMate's pixel i has its centre at i
            y, x = ((values + centre) / (0.5, 0.25)).T[::-1]
            mask = polygon2mask(data.shape[1:], np.stack([y, x], axis=1))
            want = data[t] == label
            if (t, label) == (0, 5):
                want = (data[t] == 5) | np.pad(np.ones((2, 2), bool), ((5, 23), (6, 32)))
            if (t, label) == (0, 9):
                want[27, 30] = False
            assert np.array_equal(mask, want)
            found += 1
    assert found == 4
    assert fb.read_tracks(tmp_path / "a.xml").link.tolist() == [-1, -1, -1, 0]
