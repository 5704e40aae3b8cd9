"""Volumes: components, measurements and surfaces against scipy and scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.measure.particle_settings import ParticleSettings
from fijibridge.measure.volume import HEADINGS, analyze_volume
from fijibridge.model import Axes, Image, LabelImage, Roi

SCALE = {"x": 0.2, "y": 0.25, "z": 1.5, "t": 3.0}
ALL = ("area", "mean", "min", "modal", "skewness", "kurtosis", "integrated")


def volume(array, *, name="stack", role="intensity"):
    keys = "tzyx"[-array.ndim :]
    axes = Axes.of(keys, array.shape, scale={k: SCALE[k] for k in keys}, unit="um")
    if role == "labels":
        return LabelImage.from_array(array, axes, name=name)
    return Image.from_array(array, axes, name=name)


def run(array, *, role="intensity", threads=None, redirect=None, **kwargs):
    kwargs.setdefault("outputs", frozenset({"table", "labels"}))
    return analyze_volume(
        volume(array, role=role), ParticleSettings(connectivity="3d", **kwargs),
        threads=threads, redirect=redirect,
    )  # fmt: skip


def noise(seed, density, shape=(5, 9, 11)):
    return (np.random.default_rng(seed).random(shape) < density).astype(np.uint8) * np.uint8(255)


def surface(mask):
    """Voxels of a mask with a face outside of it."""
    from scipy import ndimage

    faces = ndimage.generate_binary_structure(3, 1)
    return mask.sum() - ndimage.binary_erosion(mask, faces, border_value=0).sum()


@settings(max_examples=pytest.count(30, 300))
@given(st.integers(0, 10**6), st.floats(0.02, 0.6), st.booleans())
def test_components_are_scipys(seed, density, four):
    from scipy import ndimage

    array = noise(seed, density)
    result = run(array, four=four)
    structure = ndimage.generate_binary_structure(3, 1 if four else 3)
    expected, n = ndimage.label(array, structure)
    assert len(result.table) == n
    np.testing.assert_array_equal(result.labels.data, expected)
    assert result.table.object_ids.tolist() == [[0, i + 1] for i in range(n)]


@settings(max_examples=pytest.count(20, 200))
@given(st.integers(0, 10**6), st.floats(0.05, 0.4), st.sampled_from(["u1", "u2", "f4"]))
def test_measurements_are_scikit_images(seed, density, kind):
    from skimage.measure import label, regionprops

    rng = np.random.default_rng(seed)
    array = (rng.random((4, 10, 12)) * 200 + 1).astype(kind)
    array[rng.random(array.shape) > density] = 0
    table = run(array, threshold=(1, 1e9), measurements=ALL).table
    expected = regionprops(label(array > 0, connectivity=3), intensity_image=array)
    assert tuple(table.headings[: len(HEADINGS)]) == HEADINGS
    voxel = SCALE["x"] * SCALE["y"] * SCALE["z"]
    for i, region in enumerate(expected):
        row = {h: table[h][i] for h in table.headings}
        values = array[tuple(region.coords.T)].astype(np.float64)
        z, y, x = region.centroid
        z0, y0, x0, z1, y1, x1 = region.bbox
        wanted = {
            "Label id": i + 1,
            "Voxels": region.num_pixels,
            "Volume": region.num_pixels * voxel,
            "Surface voxels": surface(np.pad(region.image, 1)),
            "X": (x + 0.5) * SCALE["x"],
            "Y": (y + 0.5) * SCALE["y"],
            "Z": (z + 0.5) * SCALE["z"],
            "BX": x0 * SCALE["x"],
            "BY": y0 * SCALE["y"],
            "BZ": z0 * SCALE["z"],
            "Width": (x1 - x0) * SCALE["x"],
            "Height": (y1 - y0) * SCALE["y"],
            "Depth": (z1 - z0) * SCALE["z"],
            "Mean": values.mean(),
            "StdDev": values.std(ddof=1) if len(values) > 1 else 0.0,
            "Min": values.min(),
            "Max": values.max(),
            "IntDen": region.num_pixels * voxel * values.mean(),
            "RawIntDen": values.sum(),
        }
        if kind == "f4" or len(values) % 2:
            wanted["Median"] = np.median(values)
        for heading, value in wanted.items():
            assert row[heading] == pytest.approx(value, rel=1e-6, abs=1e-6), heading


@settings(max_examples=pytest.count(15, 100))
@given(st.integers(0, 10**6), st.floats(0.1, 0.6))
def test_threads_change_nothing(seed, density):
    rng = np.random.default_rng(seed)
    array = (rng.random((7, 80, 90)) * 255).astype(np.float32)
    one, many = (run(array, threshold=(255 * density, 300), threads=n) for n in (1, 5))
    np.testing.assert_array_equal(one.labels.data, many.labels.data)
    for heading in one.table.headings:
        np.testing.assert_array_equal(one.table[heading], many.table[heading])


def test_labels_keep_their_ids_in_any_number_of_pieces():
    array = np.zeros((3, 6, 7), np.uint32)
    array[0, 1:3, 1:3] = 4_000_000_000
    array[2, 4, 5] = 4_000_000_000
    array[0, 1:3, 3] = 9
    raw = np.arange(array.size, dtype=np.uint16).reshape(array.shape)
    result = run(array, role="labels", redirect=volume(raw, name="raw"), measurements=("display",))
    assert result.table["Label id"].tolist() == [9, 4_000_000_000]
    assert result.table["Voxels"].tolist() == [2, 5]
    assert result.table["Depth"].tolist() == [1.5, 4.5]
    assert result.table["Mean"].tolist() == [raw[array == i].mean() for i in (9, 4_000_000_000)]
    assert set(result.table["Label"]) == {"raw"}
    np.testing.assert_array_equal(result.labels.data, array)


def test_every_frame_is_a_volume_of_its_own():
    array = np.zeros((2, 3, 5, 5), np.uint8)
    array[0, :, 1, 1] = 255
    array[1, 0, 0, 0] = array[1, 2, 4, 4] = 255
    result = run(array, outputs=frozenset({"table", "labels", "rois", "summary"}))
    assert result.table.headings[0] == "Frame"
    assert result.table["Frame"].tolist() == [1, 2, 2]
    assert result.table.object_ids.tolist() == [[0, 1], [1, 2], [1, 3]]
    assert result.labels.axes.keys == "tzyx"
    assert len(result.rois) == 5
    assert result.summary["Count"].tolist() == [1, 2]
    assert result.summary["Total Volume"].tolist() == pytest.approx([0.225, 0.15])


def test_units_are_those_of_volumes():
    table = run(noise(1, 0.2)).table
    assert table.units["Volume"] == table.units["IntDen"] == "micrometer^3"
    assert table.units["X"] == table.units["Depth"] == "micrometer"
    assert table.style.row_numbers


def test_filters():
    array = np.zeros((5, 9, 9), np.uint8)
    array[2, 2:4, 2:4] = 255
    array[2, 6, 6] = 255
    array[0, 6, 2] = 255
    assert len(run(array).table) == 3
    assert len(run(array, exclude=True).table) == 2
    assert run(array, size=(2, math.inf), pixel_units=True).table["Voxels"].tolist() == [4]
    assert run(array, size=(0.2, math.inf)).table["Voxels"].tolist() == [4]
    select = Roi(kind="rectangle", bounds=(5.0, 5.0, 3.0, 3.0))
    assert run(array, select=select).table["X"].tolist() == pytest.approx([1.3])
    assert run(array, label_limit=1).labels.data.max() == 1
    white = np.where(array, 0, 255).astype(np.uint8)
    assert len(run(white, white_background=True).table) == 3


def test_origins_shift_positions():
    array = np.zeros((2, 3, 3), np.uint8)
    array[1, 1, 1] = 255
    axes = Axes.of("zyx", array.shape, scale=SCALE, unit="um", origin={"z": 10.0, "x": -1.0})
    table = analyze_volume(Image.from_array(array, axes), ParticleSettings(connectivity="3d")).table
    assert table["Z"].tolist() == pytest.approx([10.0 + 1.5 * 1.5])
    assert table["X"].tolist() == pytest.approx([-1.0 + 1.5 * 0.2])


def test_an_empty_volume_gives_an_empty_table():
    result = run(np.zeros((2, 4, 4), np.uint8), outputs=frozenset({"table", "labels", "summary"}))
    assert len(result.table) == 0
    assert result.table.headings == HEADINGS
    assert not result.labels.data.any()
    assert result.summary["Count"].tolist() == [0]


@pytest.mark.parametrize(
    ("settings_", "says"),
    [
        ({"include": True}, "'include' has no meaning with connectivity 3d"),
        ({"composite": True}, "'composite'"),
        ({"record": True}, "'record'"),
        ({"slice": 1}, "'slice'"),
        ({"circularity": (0.5, 1.0)}, "'circularity'"),
    ],
)
def test_settings_without_meaning(settings_, says):
    with pytest.raises(SettingsError, match=says):
        run(noise(1, 0.1), **settings_)


def test_images_that_do_not_fit():
    channels = Image.from_array(np.zeros((2, 3, 4, 4), np.uint8), "czyx")
    with pytest.raises(UnsupportedError, match="has 2 channels"):
        analyze_volume(channels, ParticleSettings(connectivity="3d"))
    with pytest.raises(SettingsError, match="volumes must be equal"):
        run(noise(1, 0.1), redirect=volume(np.zeros((2, 4, 4), np.uint8)))
    with pytest.raises(SettingsError, match="not binary"):
        run(np.full((2, 3, 3), 7, np.uint8))
