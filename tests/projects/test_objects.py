"""Objects of Object Classification beside vigra, ilastik's own table, and plain numpy."""

from __future__ import annotations

import csv
import pickle
import subprocess
from pathlib import Path

import h5py  # noqa: TID253
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fijibridge as fb
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats.ilp import read_project
from fijibridge.model import Image, Region
from fijibridge.model.project import Thresholds
from fijibridge.projects.forest import Predictor
from fijibridge.projects.object_features import NEIGHBOURHOOD, measure
from fijibridge.projects.run import RunSettings, open_result
from fijibridge.projects.segment import connected, consecutive, thresholded
from projects.make_objects import STANDARD, ObjectIlp, blobs

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("oracle_objects.py")
ONE = ("Histogram", "Quantiles")
MANY = ("Covariance", "PrincipalAxes")
BOTH = (
    *("Count", "Sum", "Mean", "Minimum", "Maximum", "Variance", "Skewness", "Kurtosis"),
    *("RegionCenter", "RegionRadii", "RegionAxes", "Coord<Minimum>"),
    *("Central<PowerSum<2>>", "Central<PowerSum<3>>", "Central<PowerSum<4>>"),
    *("Coord<PowerSum<1>>", "Coord<Principal<PowerSum<2>>>"),
)


@pytest.fixture(scope="session")
def vigra(tmp_path_factory):
    """Return a function that gives vigra a task."""
    try:
        subprocess.run([PYTHON, "-c", "import vigra"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("vigra is not here: /usr/bin/python3 has no module vigra (python3-vigra)")
    folder = tmp_path_factory.mktemp("vigra")

    def ask(**task):
        np.savez(folder / "task.npz", **task)
        subprocess.run([PYTHON, SCRIPT, folder / "task.npz", folder / "out.npz"], check=True)
        return np.load(folder / "out.npz")

    return ask


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 60, 71), (13, 30, 27)])
def test_features_beside_vigra(vigra, seed, channels, shape):
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 4000, (channels, *shape)).astype([np.uint16, np.float64, np.int32][seed])
    ranks, _ = consecutive(blobs(seed, shape))
    raw[:, ranks == 1] = 77  # an even object: no skewness
    count = int(ranks.max())
    names = BOTH + (MANY if channels > 1 else ONE)
    found = measure(raw, ranks, count, names)
    expected = vigra(task="features", raw=raw, labels=ranks, names=names)
    for i, name in enumerate(names):
        want = expected[str(i)]
        size = np.nanmax(np.abs(want), initial=1.0)
        np.testing.assert_allclose(
            found[name], want, rtol=1e-9, atol=1e-9 * size, err_msg=name, equal_nan=True
        )


@pytest.mark.parametrize("seed", range(3))
def test_neighbourhoods_beside_vigra(vigra, seed):
    """What lies less than the margin away is what vigra's distances say."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 255, (2, 1, 50, 64)).astype(np.uint8)
    ranks, _ = consecutive(blobs(seed, (1, 50, 64)))
    count = int(ranks.max())
    names = [n + NEIGHBOURHOOD for n in ("Mean", "Sum", "Kurtosis", "Covariance", "Maximum")]
    found = measure(raw, ranks, count, names, (7, 7))
    for k in range(1, count + 1):
        inside = ranks[0] == k
        far = vigra(task="distance", inside=inside)["far"]
        near = (far < 7) & ~inside
        one = measure(raw, near[None].astype(np.uint32), 1, ["Mean", "Sum", "Kurtosis"])
        for name in ("Mean", "Sum", "Kurtosis"):
            np.testing.assert_allclose(found[name + NEIGHBOURHOOD][k - 1], one[name][0])


@given(st.integers(0, 9999), st.tuples(st.integers(1, 5), st.integers(1, 12), st.integers(1, 12)))
def test_connected_parts(seed, shape):
    """As scipy finds them value by value, numbered in the order of first pixels."""
    from scipy.ndimage import label

    values = np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)
    found, count = connected(values)
    assert sorted(set(found.ravel().tolist()) - {0}) == list(range(1, count + 1))
    firsts = [int(np.flatnonzero(found == k)[0]) for k in range(1, count + 1)]
    assert firsts == sorted(firsts)
    total = 0
    for value in (1, 2):
        mine, parts = label(values == value)
        total += parts
        pairs = set(
            zip(mine[values == value].tolist(), found[values == value].tolist(), strict=True)
        )
        assert len(pairs) == parts
    assert total == count


def test_labels_beside_vigra(vigra):
    for seed in range(3):
        values = np.random.default_rng(seed).integers(0, 4, (5, 17, 23)) * 3
        expected = vigra(task="labels", values=values)
        np.testing.assert_array_equal(connected(values)[0], expected["parts"])
        np.testing.assert_array_equal(consecutive(values)[0], expected["numbers"])


@pytest.mark.parametrize("shape", [(1, 40, 50), (12, 30, 20)])
def test_thresholds_beside_vigra(vigra, shape):
    rng = np.random.default_rng(5)
    data = rng.random((2, *shape)).astype(np.float32)
    sigma = (1.3, 0.7, 2.1)
    flat = shape[0] == 1
    smooth = [
        vigra(
            task="smooth",
            data=one[0] if flat else one,
            sigma=sigma[1:] if flat else sigma,
            keys="yx" if flat else "zyx",
        )["smooth"].reshape(shape)
        for one in data
    ]
    how = Thresholds(low=0.52, sigma=sigma, smallest=3, largest=500)
    expected = vigra(task="labels", values=smooth[0] >= np.float32(0.52))["parts"]
    sizes = np.bincount(expected.ravel())
    kept = np.isin(expected, np.flatnonzero((sizes >= 3) & (sizes <= 500))) & (expected > 0)
    found, count = thresholded(data, how)
    np.testing.assert_array_equal(found > 0, kept)
    assert count == len(np.unique(expected[kept]))
    again, _ = thresholded((data * 255 + 3).astype(np.float32), how, (3.0, 258.0))
    assert ((again > 0) != (found > 0)).mean() < 0.001
    # two thresholds, of two channels: the low one looks at their sum
    how = Thresholds(
        hysteresis=True, low=1.04, high=0.56, sigma=sigma, smallest=3, channel=0, core_channel=1
    )
    found, count = thresholded(data, how)
    both, parts = connected((smooth[0] + smooth[1]) >= np.float32(1.04))
    cores, _ = connected(smooth[1] >= np.float32(0.56))
    sizes = np.bincount(cores.ravel())
    seeds = (cores > 0) & (sizes[cores] >= 3)
    sizes = np.bincount(both.ravel())
    keep = [k for k in range(1, parts + 1) if seeds[both == k].any() and sizes[k] >= 3]
    np.testing.assert_array_equal(found > 0, np.isin(both, keep))
    assert 0 < count == len(keep) < parts


def test_ilastiks_own_table(shared, tmp_path):
    """Every column of golden s60 but those of the skeleton, which is not supported."""
    case = shared / "golden/ilastik/s60_object_table_2d3c"
    raw, labels = (_npz(case / "input" / f"{n}.npz") for n in ("raw", "labels"))
    with (case / "expected/2d3c-data_table_table.csv").open() as file:
        rows = list(csv.DictReader(file))
    base = ("Covariance", "Kurtosis", "Maximum", "Mean", "Minimum", "Skewness", "Sum", "Variance")
    names = (*base, *(n + NEIGHBOURHOOD for n in base), "Count", "RegionAxes", "RegionRadii")
    path = ObjectIlp(names=names, channels=3, margin=(30, 30), keys="txyzc").write(
        tmp_path / "p.ilp"
    )
    project = fb.IlastikProject(path)
    table = project.table(Image.from_array(raw, "txyzc"), Image.from_array(labels, "txyzc"))
    checked = 0
    for heading in rows[0]:
        if heading in table.columns and not heading.startswith(("User", "Predicted", "Prob")):
            want = np.array([float(row[heading]) for row in rows])
            np.testing.assert_allclose(table[heading], want, rtol=1e-6, atol=1e-6, err_msg=heading)
            checked += 1
    assert checked == 77
    found = project.predict(
        Image.from_array(raw, "txyzc"),
        "object identities",
        objects=Image.from_array(labels, "txyzc"),
    )
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found.data, labels)


def _npz(path) -> np.ndarray:
    with np.load(path) as file:
        return file[file.files[0]]


def _movie(seed=1):
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 250, (3, 70, 90)).astype(np.uint8)
    labels = np.stack([blobs(seed + t, (70, 90)) for t in range(3)])
    labels[2] = 0  # a frame without objects
    return raw, labels


def test_results_fit_together(tmp_path):
    raw, labels = _movie()
    path = ObjectIlp(keys="tyx", given={0: [0, 2, 1]}).write(tmp_path / "p.ilp")
    project = fb.IlastikProject(path)
    assert project.sources[0] == project.default_source == "Object Predictions"
    image, second = Image.from_array(raw, "tyx"), Image.from_array(labels, "tyx")

    def one(source):
        return project.predict(image, source, objects=second)

    ids, classes = one("Object Identities"), one("Object Predictions")
    chances = one("Object Probabilities")
    assert ids.dtype == np.uint32
    assert (ids.axes.keys, ids.spec.role, classes.spec.role) == ("tyxc", "labels", "labels")
    assert chances.spec.extra.channel_names == project.label_names == ("round", "long")
    np.testing.assert_array_equal(ids.data[..., 0] > 0, labels > 0)
    table = project.table(image, second)
    forest = Predictor(read_project(path).objects.forest, 2)
    for row in range(len(table)):
        t, k = table["timestep"][row], table["labelimage_oid"][row]
        where = ids.data[t, ..., 0] == k
        assert where.sum() == table["Size in pixels"][row]
        assert set(labels[t][where]) == {table["original_oid"][row]}
        got = [table[f"Probability of {n}"][row] for n in ("round", "long")]
        np.testing.assert_array_equal(chances.data[t][where], [got] * where.sum())
        assert set(classes.data[t][where].ravel()) == {1 + int(np.argmax(got))}
        assert table["Predicted Class"][row] == ("round", "long")[int(np.argmax(got))]
        columns = [
            *("Size in pixels", "Mean Intensity", "Mean Intensity in neighborhood"),
            *("Radii of the object_0", "Radii of the object_1", "Skewness of Intensity"),
        ]
        features = np.nan_to_num(np.array([[table[c][row]] for c in columns], np.float32))
        np.testing.assert_array_equal(forest.predict(features)[:, 0], got)
    assert not classes.data[2].any()
    assert set(table["User Label"]) == {"0"}  # not the project's own image
    np.save(tmp_path / "raw.npy", raw)
    own = project.table(tmp_path / "raw.npy", labels)
    assert own["User Label"][:3].tolist() == ["long", "round", "0"]


@pytest.mark.parametrize("origin", ["labels", "segmentation", "probabilities", "pixels"])
def test_any_part_gives_the_same(tmp_path, origin):
    raw, labels = _movie(4)
    low = 0.3 if origin == "pixels" else 0.55
    thresholds = {"LowThreshold": low, "MinSize": 4, "sigma": (1, 1, 1)}
    path = ObjectIlp(origin, keys="tyx", thresholds=thresholds, block=40).write(tmp_path / "p.ilp")
    second = {"segmentation": (labels > 0).astype(np.uint8), "labels": labels, "pixels": None}.get(
        origin, np.random.default_rng(0).random((3, 70, 90)).astype(np.float32)
    )
    second = None if second is None else Image.from_array(second, "tyx")
    image = Image.from_array(raw, "tyx")
    project = read_project(path)
    for name in fb.IlastikProject(path).sources:
        source = open_result(project, image, name, RunSettings(), None, second)
        whole = source.read(Region.whole(source.spec.shape))
        other = pickle.loads(  # noqa: S301  # our own
            pickle.dumps(open_result(project, image, name, RunSettings(), None, second))
        )
        box = Region((1, 7, 33, 0), (2, 52, 81, 1))
        np.testing.assert_array_equal(other.read(box), whole[box.slices])
        assert whole.any()


def test_blocks_that_hold_everything_are_the_whole(tmp_path):
    """Blockwise results of a block as large as the image are those of the image."""
    raw, labels = _movie(2)
    project = fb.IlastikProject(ObjectIlp("segmentation", keys="tyx").write(tmp_path / "p.ilp"))
    second = Image.from_array((labels > 0).astype(np.uint8), "tyx")
    image = Image.from_array(raw, "tyx")
    for kind in ("Predictions", "Probabilities"):
        whole = project.predict(image, f"Object {kind}", objects=second)
        blocks = project.predict(image, f"Blockwise Object {kind}", objects=second)
        np.testing.assert_array_equal(blocks.data, whole.data)


def test_what_is_not_supported_is_named(tmp_path):
    image = Image.from_array(np.zeros((30, 30), np.uint8), "yx")
    labels = Image.from_array(np.ones((30, 30), np.uint8), "yx")
    plugins = {"2D Convex Hull Features": ("Convexity",), "My Plugin": ("Charm",)}
    path = ObjectIlp(plugins=plugins).write(tmp_path / "p.ilp")
    with pytest.raises(UnsupportedError) as caught:
        fb.IlastikProject(path).predict(image, objects=labels)
    for word in ("Convexity (2D Convex Hull Features)", "Charm (My Plugin)", "--engine executable"):
        assert word in str(caught.value) + caught.value.hint
    assert "Mean" not in caught.value.message
    assert STANDARD not in caught.value.message
    cut = {"CurOperator": 2}
    path = ObjectIlp("probabilities", thresholds=cut).write(tmp_path / "q.ilp")
    with pytest.raises(UnsupportedError, match="graph cut"):
        read_project(path)


def test_images_that_do_not_fit_say_why(tmp_path):
    project = fb.IlastikProject(ObjectIlp().write(tmp_path / "p.ilp"))
    image = Image.from_array(np.zeros((30, 30), np.uint8), "yx")
    with pytest.raises(SettingsError, match="second image"):
        project.predict(image)
    with pytest.raises(SettingsError, match="has 31 samples along y"):
        project.predict(image, objects=np.ones((31, 30), np.uint8))
    with pytest.raises(SettingsError, match="whole numbers"):
        project.predict(image, objects=np.ones((30, 30), np.float32))
    with pytest.raises(SettingsError, match="trained on"):
        project.predict(
            Image.from_array(np.zeros((30, 30, 2), np.uint8), "yxc"),
            objects=np.ones((30, 30), "u1"),
        )
    plain = ObjectIlp("probabilities", thresholds={"Channel": 3}).write(tmp_path / "q.ilp")
    with pytest.raises(SettingsError, match="channel 3"):
        fb.IlastikProject(plain).predict(image, objects=np.ones((30, 30), np.float32))
    with h5py.File(plain, "r+") as file:
        del file["ObjectClassification/ClassifierForests"]
    project = fb.IlastikProject(plain)
    with pytest.raises(FormatError, match="no trained classifier") as caught:
        project.predict(image, objects=np.ones((30, 30), np.float32))
    assert "Object Identities" in caught.value.hint


@pytest.mark.parametrize("origin", ["pixels", "probabilities", "segmentation", "labels"])
def test_objects_are_found_without_a_classifier(tmp_path, origin):
    """Untrained, or trained on features that are not computed here."""
    image = Image.from_array(
        np.random.default_rng(5).integers(0, 250, (60, 70)).astype(np.uint8), "yx"
    )
    second = blobs(3, (60, 70)) if origin != "probabilities" else np.float32(blobs(3, (60, 70)) > 0)
    second = None if origin == "pixels" else second
    small = {"MinSize": 1, "Channel": 0}
    trained = ObjectIlp(origin, thresholds=small).write(tmp_path / "a.ilp")
    expected = fb.IlastikProject(trained).predict(image, "Object Identities", objects=second)
    hull = ObjectIlp(origin, thresholds=small, plugins={"2D Convex Hull Features": ("Convexity",)})
    hull.write(tmp_path / "b.ilp")
    bare = ObjectIlp(origin, thresholds=small).write(tmp_path / "c.ilp")
    with h5py.File(bare, "r+") as file:
        del file["ObjectClassification"]
    for name in ("b.ilp", "c.ilp"):
        project = fb.IlastikProject(tmp_path / name)
        found = project.predict(image, "object identities", objects=second)
        np.testing.assert_array_equal(found.data, expected.data)
        with pytest.raises(FijiBridgeError):
            project.predict(image, objects=second)
    if origin == "pixels":
        for source in ("Pixel Probabilities", "Simple Segmentation"):
            a, b = (fb.IlastikProject(p).predict(image, source).data for p in (trained, bare))
            np.testing.assert_array_equal(a, b)
