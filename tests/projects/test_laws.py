"""Laws: parts equal the whole, trees of any size are evaluated alike, results fit together."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fijibridge as fb
from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.formats.ilp import read_project
from fijibridge.model import Axes, Image, Level, Region
from fijibridge.projects.forest import Predictor
from fijibridge.projects.run import RunSettings, open_result
from projects.make_ilp import SCALES, columns_of, matrix, random_tree, simple


def _image(seed: int, shape: tuple[int, ...], keys: str, dtype="u1") -> Image:
    rng = np.random.default_rng(seed)
    return Image.from_array(rng.integers(0, 250, shape).astype(dtype), keys)


def _result(path, image, source="Probabilities", **how):
    return open_result(read_project(path), image, source, RunSettings(**how))


def _all(source) -> np.ndarray:
    return source.read(Region.whole(source.spec.shape))


@given(
    st.integers(0, 99),
    st.tuples(st.integers(37, 150), st.integers(37, 150)),
    st.tuples(st.integers(17, 90), st.integers(17, 90)),
)
def test_any_tile_gives_the_same_in_2d(tmp_path_factory, seed, size, tile):
    path = simple(seed).write(tmp_path_factory.mktemp("p") / "p.ilp")
    image = _image(seed, size, "yx")
    expected = _all(_result(path, image))
    other = _result(path, image)
    other._tile = (1, *tile)
    np.testing.assert_array_equal(_all(other), expected)


@given(
    st.integers(0, 99), st.tuples(*[st.integers(14, 40)] * 3), st.tuples(*[st.integers(7, 25)] * 3)
)
def test_any_tile_gives_the_same_in_3d(tmp_path_factory, seed, size, tile):
    path = simple(seed, dimensions=3, axes="zyxc", shape=(1, 1, 1, 1)).write(
        tmp_path_factory.mktemp("p") / "p.ilp"
    )
    image = _image(seed, size, "zyx", "f4")
    expected = _all(_result(path, image))
    other = _result(path, image)
    other._tile = tile
    np.testing.assert_array_equal(_all(other), expected)


@given(st.integers(0, 9999), st.integers(1, 200), st.integers(1, 5))
def test_trees_of_any_size_are_walked_alike(seed, leaves, classes):
    """Bits (up to 32 and 64 leaves) and walking give what one comparison after the other gives."""
    rng = np.random.default_rng(seed)
    columns = int(rng.integers(1, 9))
    values = rng.normal(size=(columns, 40)).astype(np.float32)
    project = simple(seed, classes=classes)
    project.columns = columns
    project.weighted = seed % 2
    project.forests = [
        [random_tree(rng, columns, classes, leaves, values) for _ in range(3)],
        [
            random_tree(rng, columns, classes, int(rng.integers(1, leaves + 1)), values)
            for _ in range(2)
        ],
    ]
    for trees in project.forests:
        for tree in trees:  # weights of leaves, which count when predict_weighted_ is 1
            for at in range(2, len(tree.topology) - 1):
                if tree.topology[at] == 0x40000000 and tree.topology[at + 1] < len(tree.parameters):
                    tree.parameters[tree.topology[at + 1]] = 2.0
    pixels = rng.choice(values.ravel(), size=(columns, 300)).astype(np.float32)
    pixels[0, 5] = np.nan
    expected = np.zeros((classes, 300), np.float32)
    total = np.float32(5)
    for trees in project.forests:
        votes = np.zeros((classes, 300), np.float32)
        weight = np.zeros(300)
        for tree in trees:
            for i in range(300):
                at = 2
                while tree.topology[at] == 0:
                    smaller = (
                        float(pixels[tree.topology[at + 4], i])
                        < tree.parameters[tree.topology[at + 1] + 1]
                    )
                    at = tree.topology[at + 2] if smaller else tree.topology[at + 3]
                p = tree.topology[at + 1]
                leaf = np.array(tree.parameters[p + 1 : p + 1 + classes])
                leaf = leaf * tree.parameters[p] if project.weighted else leaf
                votes[:, i] += leaf.astype(np.float32)
                weight[i] += leaf.sum()
        expected += votes / weight.astype(np.float32) * np.float32(len(trees))
    expected /= total
    expected[:, 5] = 0
    with pytest.MonkeyPatch.context() as patch:
        import tempfile
        from pathlib import Path

        patch.chdir(tempfile.mkdtemp())
        stage = read_project(project.write(Path("p.ilp"))).stages[0]
    found = Predictor(stage.forest, stage.classes).predict(pixels)
    if project.weighted:
        np.testing.assert_allclose(found, expected, rtol=3e-7, atol=1e-7)
    else:
        np.testing.assert_array_equal(found, expected)


def test_channels_and_time_and_any_order(tmp_path):
    path = simple(4, channels=2).write(tmp_path / "p.ilp")
    data = np.random.default_rng(0).integers(0, 250, (3, 2, 50, 60)).astype(np.uint16)
    found = fb.IlastikProject(path).predict(Image.from_array(data, "tcyx"))
    assert found.axes.keys == "tyxc"
    for t in range(3):
        one = fb.IlastikProject(path).predict(Image.from_array(data[t].transpose(2, 1, 0), "xyc"))
        np.testing.assert_array_equal(one.data.transpose(1, 0, 2), found.data[t])


def test_mixed_2d_and_3d_in_planes(tmp_path):
    """What is computed plane by plane in a stack is what a plane alone gives."""
    path = simple(7).write(tmp_path / "p.ilp")
    data = np.random.default_rng(0).integers(0, 250, (4, 70, 60)).astype(np.uint8)
    found = fb.IlastikProject(path).predict(Image.from_array(data, "zyx"))
    for z in range(4):
        one = fb.IlastikProject(path).predict(Image.from_array(data[z], "yx"))
        np.testing.assert_array_equal(one.data, found.data[z])


def test_results_fit_together(tmp_path):
    path = simple(3, classes=3).write(tmp_path / "p.ilp")
    image = _image(1, (60, 70), "yx")
    probabilities = _all(_result(path, image))
    labels = _result(path, image, "simple SEGMENTATION")
    np.testing.assert_array_equal(_all(labels)[..., 0], probabilities.argmax(-1) + 1)
    assert labels.spec.role == "labels"
    top = np.sort(probabilities, axis=-1)
    uncertainty = _all(_result(path, image, "Uncertainty"))
    np.testing.assert_array_equal(uncertainty[..., 0], 1 - (top[..., -1] - top[..., -2]))
    features = _result(path, image, "Features")
    values = _all(features)
    stage = read_project(path).stages[0]
    again = Predictor(stage.forest, stage.classes).predict(values.reshape(-1, values.shape[-1]).T)
    np.testing.assert_array_equal(again.T.reshape(probabilities.shape), probabilities)
    assert features.spec.extra.channel_names[0] == "Gaussian Smoothing (σ=0.3) in 2D"  # noqa: RUF001


def test_labels_that_were_not_trained_are_empty_channels(tmp_path):
    project = simple(3, classes=2, known_labels=[1, 4], label_names=["a", "b", "c", "d", "e"])
    path = project.write(tmp_path / "p.ilp")
    found = fb.IlastikProject(path).predict(_image(1, (60, 70), "yx"))
    assert found.shape == (60, 70, 5)
    assert found.spec.extra.channel_names == ("a", "b", "c", "d", "e")
    assert not found.data[..., [1, 2, 4]].any()
    np.testing.assert_allclose(found.data.sum(-1), 1, rtol=1e-6)


def test_a_mask_makes_zeros(tmp_path):
    path = simple(3).write(tmp_path / "p.ilp")
    image = _image(1, (60, 70), "yx")
    mask = np.zeros((60, 70), np.uint8)
    mask[10:30, 20:50] = 7
    whole = fb.IlastikProject(path).predict(image).data
    found = fb.IlastikProject(path).predict(image, mask=mask).data
    np.testing.assert_array_equal(found, whole * (mask > 0)[..., None])
    with pytest.raises(SettingsError, match="prediction mask"):
        fb.IlastikProject(path).predict(image, mask=mask[1:])


def test_the_scales_of_the_input_are_forwarded(tmp_path):
    path = simple(3).write(tmp_path / "p.ilp")
    image = _image(1, (60, 70), "yx")
    levels = tuple(Level(f"s{i}", Axes.of("yx", (60 >> i, 70 >> i))) for i in range(3))
    image = Image(image.data, replace(image.spec, scales=levels))
    found = fb.IlastikProject(path).open(image)
    assert [(s.name, s.axes.shape) for s in found.spec.scales] == [
        ("s0", (60, 70, 2)),
        ("s1", (30, 35, 2)),
        ("s2", (15, 17, 2)),
    ]


def test_sources_travel(tmp_path):
    path = simple(3).write(tmp_path / "p.ilp")
    source = _result(path, _image(1, (60, 70), "yx"))
    again = pickle.loads(pickle.dumps(source))  # noqa: S301  # our own
    np.testing.assert_array_equal(_all(again), _all(source))


def test_narrow_images(tmp_path):
    """Rows shorter than a vector."""
    path = simple(3).write(tmp_path / "p.ilp")
    data = np.random.default_rng(0).integers(0, 250, (200, 14)).astype(np.uint8)
    found = fb.IlastikProject(path).predict(Image.from_array(data, "yx")).data
    turned = fb.IlastikProject(path).predict(Image.from_array(data.T, "xy")).data
    np.testing.assert_array_equal(found, turned.transpose(1, 0, 2))


def test_images_that_do_not_fit_say_why(tmp_path):
    path = simple(3).write(tmp_path / "p.ilp")
    project = fb.IlastikProject(path)
    with pytest.raises(SettingsError, match="samples along y"):
        project.predict(_image(1, (9, 70), "yx"))
    with pytest.raises(SettingsError, match=r"trained on .*wants 1 channel in a plane \(yx\)"):
        project.predict(_image(1, (60, 70, 3), "yxc"))
    with pytest.raises(UnsupportedError, match="complex"):
        project.predict(Image.from_array(np.zeros((60, 70), np.complex64), "yx"))
    with pytest.raises(SettingsError, match="needs x and y"):
        project.predict(Image.from_array(np.zeros((60, 70), np.uint8), "zy"))
    with pytest.raises(SettingsError, match="Did you mean 'Uncertainty'"):
        project.predict(_image(1, (60, 70), "yx"), "Uncertanty")
    with pytest.raises(SettingsError, match="allowed are fastfilters, vigra"):
        project.predict(_image(1, (60, 70), "yx"), filters="opencv")


def test_a_scale_without_neighbours_is_refused(tmp_path):
    table = matrix(("StructureTensorEigenvalues", 0.3), ("GaussianSmoothing", 1.0))
    path = simple(3, table=table).write(tmp_path / "p.ilp")
    assert columns_of(table, 1, 2) == 3
    with pytest.raises(UnsupportedError, match="reaches no neighbour"):
        fb.IlastikProject(path).predict(_image(1, (60, 70), "yx"))
    fb.IlastikProject(path).predict(_image(1, (60, 70), "yx"), filters="vigra")


def test_what_was_drawn_is_put_where_it_was(tmp_path):
    labels = np.array([[[1], [0]], [[2], [2]]], np.uint8)
    raw = np.random.default_rng(0).integers(0, 250, (60, 70, 1)).astype(np.uint8)
    np.save(tmp_path / "raw.npy", raw)
    path = simple(3, drawn=[("[4:6,8:10,0:1]", labels)], shape=(60, 70, 1)).write(
        tmp_path / "p.ilp"
    )
    found = fb.IlastikProject(path).predict(tmp_path / "raw.npy", "Labels").data
    assert found.sum() == 5
    np.testing.assert_array_equal(found[4:6, 8:10], labels)
    assert len(SCALES) == 7
