"""Other programs' checkers: py-ctcmetrics, traccuracy, geff, scikit-image, TrackMate."""

from __future__ import annotations

import re
import warnings
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fijibridge.formats import write_tracks
from fijibridge.formats._tracks.kernels import boxes, first_contour
from fijibridge.measure.object_features import survey
from fijibridge.model import Tracks
from formats.track_cases import movie, tracked_movies

OBJECTS = [(t, n) for t in range(6) for n in (1, 2, 3)]


def division(deep=False):
    """A movie with a division, a gap, a parent that goes on, and an object of no track."""
    source = movie(OBJECTS, 6, deep=deep)
    rows = [
        *[(t, 1, 1 if t else 0, t - 1) for t in range(6)],
        (0, 2, 0, -1),
        (2, 2, 2, 0),
        (3, 2, 2, 2),
        (3, 3, 2, 2),
        (4, 3, 1, 3),
    ]
    seen = survey(source)
    columns = np.array(rows).T
    tracks = Tracks.from_links(*columns[:3], columns[3], objects=seen.ids, frames=6)
    return tracks.with_features(seen.features), source


@pytest.mark.parametrize("deep", [False, True])
def test_ctcmetrics_finds_no_fault(tmp_path, deep):
    handle = pytest.importorskip("ctc_metrics.utils.handle_results", reason="py-ctcmetrics")
    files = pytest.importorskip("ctc_metrics.utils.filesystem")
    valid = pytest.importorskip("ctc_metrics.metrics.validation.valid")
    from ctc_metrics.utils import representations

    del handle, representations
    import tifffile

    tracks, source = division(deep)
    write_tracks(tracks, tmp_path / "01_RES", to="CellTrackingChallenge", labels=source)
    lines = files.read_tracking_file(str(tmp_path / "01_RES/res_track.txt"))
    masks = sorted((tmp_path / "01_RES").glob("*.tif"))
    labels = [[int(v) for v in np.unique(tifffile.imread(m)) if v] for m in masks]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert valid.valid([str(m) for m in masks], lines, labels) == 1
    assert not [str(w.message) for w in caught if "track" in str(w.message).lower()]


@pytest.mark.parametrize("deep", [False, True])
def test_traccuracy_finds_no_fault(tmp_path, deep):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaders = pytest.importorskip("traccuracy.loaders", reason="traccuracy")
        tracks, source = division(deep)
        write_tracks(tracks, tmp_path / "01_RES", to="CellTrackingChallenge", labels=source)
        graph = loaders.load_ctc_data(str(tmp_path / "01_RES"), run_checks=True).graph
    rows = np.flatnonzero(tracks.tracked)
    assert graph.number_of_nodes() == len(rows)
    assert graph.number_of_edges() == int((tracks.link >= 0).sum())


def test_geff_validates(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        geff = pytest.importorskip("geff", reason="geff")
        from geff.validate.structure import validate_structure

        tracks, source = division()
        write_tracks(tracks, tmp_path / "a", to="geff", labels=source)
        validate_structure(str(tmp_path / "a.geff"))
        graph, about = geff.read(str(tmp_path / "a.geff"), backend="networkx")
    assert about.directed
    assert graph.number_of_nodes() == len(tracks)
    links = {(int(a), int(b)) for b, a in enumerate(tracks.link) if a >= 0}
    assert {(int(a), int(b)) for a, b in graph.edges} == links
    assert [graph.nodes[n]["track_id"] for n in sorted(graph.nodes)] == tracks.track.tolist()


def test_geff_of_geff_is_read(tmp_path):
    from fijibridge.formats import read_tracks

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        geff = pytest.importorskip("geff", reason="geff")
        nx = pytest.importorskip("networkx")
        graph = nx.DiGraph()
        for n, (t, y, x) in {5: (0, 1.5, 2.0), 7: (1, 2.5, 2.0), 9: (1, 0.5, 2.5)}.items():
            graph.add_node(n, t=t, y=y, x=x, seg_id=n + 100)
        graph.add_edges_from([(5, 7), (5, 9)])
        geff.write(
            graph,
            str(tmp_path / "b.geff"),
            axis_names=["t", "y", "x"],
            axis_types=["time", "space", "space"],
        )
    found = read_tracks(tmp_path / "b.geff")
    assert found.ids.tolist() == [[0, 105], [1, 107], [1, 109]]
    assert found.link.tolist() == [-1, 0, 0]
    assert found.features["Center of the object_0"].tolist() == [2.0, 2.0, 2.5]


@settings(max_examples=pytest.count(300, 20_000))
@given(
    mask=hnp.arrays(
        np.int32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9),
        elements=st.integers(0, 1),
    )
)
def test_contours_are_those_of_scikit_image(mask):
    measure = pytest.importorskip("skimage.measure", reason="scikit-image")
    if not mask.any():
        return
    theirs = measure.find_contours(mask.astype(np.uint8), 0)
    ours = first_contour(mask, 1, boxes(mask, 1)[0])
    assert ours.tolist() == (theirs[0].tolist() if theirs else [])


JAVA_DOUBLE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN|[+-]?Infinity")


@pytest.mark.parametrize("name", ["TrackMate", "Fiji-MaMuT"])
@settings(max_examples=pytest.count(15, 200))
@given(case=tracked_movies(features=True))
def test_xml_has_what_trackmates_reader_asks_for(tmp_path_factory, name, case):
    """Facts of fiji.plugin.trackmate.io.TmXmlReader; it logs an error for everything else."""
    tracks, source = case
    folder = tmp_path_factory.mktemp("xml")
    write_tracks(tracks, folder / "a", to=name, labels=source, big_data_viewer="m.xml")
    root = ET.parse(next(folder.iterdir())).getroot()  # noqa: S314  # our own file
    assert root.tag == "TrackMate"
    assert re.fullmatch(r"\d+\.\d+\.\d+", root.get("version"))
    model = root.find("Model")
    assert model.get("spatialunits")
    assert model.get("timeunits")
    declared = {}
    for kind in ("SpotFeatures", "EdgeFeatures", "TrackFeatures"):
        for item in model.find(f"FeatureDeclarations/{kind}"):
            assert {"feature", "name", "shortname", "dimension", "isint"} <= set(item.attrib)
            declared[kind, item.get("feature")] = item.get("isint") == "true"
    spots = {}
    for frame in model.find("AllSpots"):
        t = int(frame.get("frame"))
        for spot in frame:
            assert int(spot.get("ID")) not in spots
            spots[int(spot.get("ID"))] = t
            for key, text in spot.attrib.items():
                if key in ("ID", "name"):
                    continue
                assert ("SpotFeatures", key) in declared
                assert JAVA_DOUBLE.fullmatch(text), (key, text)
    assert int(model.find("AllSpots").get("nspots")) == len(spots)
    ids, edges = [], []
    for track in model.find("AllTracks"):
        ids.append(int(track.get("TRACK_ID")))
        assert track.get("name")
        assert len(track)  # MaMuT refuses tracks without edges
        for edge in track:
            pair = int(edge.get("SPOT_SOURCE_ID")), int(edge.get("SPOT_TARGET_ID"))
            assert spots[pair[0]] < spots[pair[1]]
            edges.append(pair)
            for key in edge.attrib:
                assert ("EdgeFeatures", key) in declared
    assert len(set(edges)) == len(edges) == int((tracks.link >= 0).sum())
    assert len(set(ids)) == len(ids)
    assert {int(t.get("TRACK_ID")) for t in model.find("FilteredTracks")} <= set(ids)
    image = root.find("Settings/ImageData")
    assert {"filename", "folder", "nframes", "pixelwidth", "timeinterval"} <= set(image.attrib)
    assert root.find("GUIState").get("state")
    assert root.find("DisplaySettings") is not None or name != "TrackMate"
    if name == "TrackMate":
        assert root.find("Settings/DetectorSettings").get("DETECTOR_NAME")
        assert root.find("Settings/TrackerSettings").get("TRACKER_NAME")
        for kind in ("SpotAnalyzers", "EdgeAnalyzers", "TrackAnalyzers"):
            assert root.find(f"Settings/AnalyzerCollection/{kind}") is not None


def test_pytrackmate_reads_the_same_spots(tmp_path):
    peer = pytest.importorskip("pytrackmate", reason="pytrackmate")
    tracks, source = division()
    write_tracks(tracks, tmp_path / "a", to="TrackMate", labels=source)
    found = peer.trackmate_peak_import(str(tmp_path / "a.xml"), get_tracks=True)
    found = found.sort_values("spot_id")
    rows = np.flatnonzero(tracks.tracked)
    kept = found["spot_id"].astype(int).to_numpy()
    assert set(rows[tracks.link[rows] >= 0]) <= set(kept)
    assert np.array_equal(found["t"], tracks.t[kept])
    for i, key in enumerate("xy"):
        assert np.allclose(found[key], tracks.features[f"Center of the object_{i}"][kept])
    labels = found["label"].to_numpy()
    for row in rows[tracks.link[rows] >= 0]:
        one, two = (labels[kept == r] for r in (row, tracks.link[row]))
        assert one[0] == two[0]
