"""Analyze Particles beside ImageJ: label images, refusals, threads, names, limits."""

from __future__ import annotations

import math
import multiprocessing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.measure.masks import roi_mask
from fijibridge.measure.naming import particle_names
from fijibridge.measure.particle_settings import ParticleSettings, measurement_words
from fijibridge.measure.particles import analyze_particles
from fijibridge.model import Axes, Image, LabelImage, Roi

ALL = ParticleSettings(measurements=("all",))


def binary(data, **kwargs) -> Image:
    return Image.from_array(np.asarray(data, bool), "yx", **kwargs)


def noise(rng, height, width, share):
    return binary(rng.random((height, width)) < share)


def assert_same(a, b) -> None:
    assert a.table.headings == b.table.headings
    for heading in a.table.headings:
        assert np.array_equal(a.table[heading], b.table[heading], equal_nan=True), heading
    assert np.array_equal(a.labels.data, b.labels.data)
    assert np.array_equal(a.table.object_ids, b.table.object_ids)
    assert list(a.rois.names) == list(b.rois.names)
    for i in range(len(a.rois)):
        ours, theirs = a.rois.outlines.loops(i), b.rois.outlines.loops(i)
        assert all(map(np.array_equal, ours, theirs))
    assert np.array_equal(a.rois.outlines.kinds, b.rois.outlines.kinds)


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    share=st.sampled_from([0.3, 0.4, 0.5, 0.6, 0.7]),
    include=st.booleans(),
    four=st.booleans(),
    composite=st.booleans(),
)
def test_result_does_not_depend_on_threads(seed, size, share, include, four, composite):
    image = noise(np.random.default_rng(seed), *size, share)
    settings = ParticleSettings(
        measurements=("all",), include=include, four=four, composite=composite
    )
    one = analyze_particles(image, settings, threads=1)
    for threads in (2, 3, 7, 16):
        assert_same(one, analyze_particles(image, settings, threads=threads))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_its_own_threads():
    image = noise(np.random.default_rng(5), 300, 300, 0.5)
    rows = len(analyze_particles(image, ALL, threads=4).table)
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not fork")
    with multiprocessing.get_context("fork").Pool(1) as pool:
        job = pool.apply_async(_rows_with_threads, (image.data,))
        assert job.get(timeout=60) == rows


def _rows_with_threads(data) -> int:
    return len(analyze_particles(Image.from_array(data, "yx"), ALL, threads=4).table)


def test_large_noise_at_any_number_of_threads():
    image = noise(np.random.default_rng(5), 1024, 1024, 0.5)
    one = analyze_particles(image, ALL, threads=1)
    for threads in (2, 8):
        assert_same(one, analyze_particles(image, ALL, threads=threads))


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    count=st.integers(1, 6),
    kind=st.sampled_from(["uint8", "uint16", "uint32", "int32", "uint64"]),
    threads=st.integers(1, 4),
)
def test_each_label_is_one_object(seed, size, count, kind, threads):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, count + 1, size).astype(kind)
    intensity = Image.from_array(rng.integers(0, 256, size).astype(np.uint8), "yx")
    labels = LabelImage.from_array(data, "yx")
    result = analyze_particles(labels, ALL, redirect=intensity, threads=threads)
    ids = np.unique(data[data > 0])
    assert np.array_equal(result.table.object_ids[:, 1], ids)
    assert np.array_equal(result.labels.data, data)
    for row, label in enumerate(ids):
        pixels = data == label
        values = intensity.data[pixels].astype(float)
        assert result.table["Area"][row] == pixels.sum()
        assert result.table["Mean"][row] == values.sum() / values.size
        mask, x, y = roi_mask(result.rois[row])
        filled = np.zeros(size, bool)
        filled[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        assert np.array_equal(filled, pixels)


def test_label_in_one_piece_measures_like_the_same_binary_particle():
    rng = np.random.default_rng(3)
    image = noise(rng, 80, 90, 0.35)
    particles = analyze_particles(image, ALL)
    labels = analyze_particles(particles.labels, ALL, redirect=image)
    whole = labels.rois.outlines.kinds == 0
    assert whole.sum() > 50
    for heading in particles.table.headings:
        ours, theirs = labels.table[heading][whole], particles.table[heading][whole]
        if heading == "%Area":
            continue
        assert np.array_equal(ours, theirs, equal_nan=True), heading


def test_labels_count_on_over_planes_and_are_capped_on_demand():
    stack = Image.from_array(np.tile([[255, 0, 255]], (3, 1, 1)).astype(np.uint8), "zyx")
    result = analyze_particles(stack, ParticleSettings(stack=True))
    assert result.labels.data.tolist() == [[[1, 0, 2]], [[3, 0, 4]], [[5, 0, 6]]]
    assert result.labels.axes.keys == "zyx"
    assert list(result.rois.names) == [f"{s:04d}-{n:04d}-0000" for s in (1, 2, 3) for n in (1, 2)]
    capped = analyze_particles(stack, ParticleSettings(stack=True, label_limit=3))
    assert capped.labels.data.max() == 3


def test_more_than_65535_labels_need_wider_labels():
    grid = np.zeros((600, 600), bool)
    grid[::2, ::2] = True
    result = analyze_particles(binary(grid), ParticleSettings())
    assert result.labels.dtype == np.uint32
    assert result.labels.data.max() == len(result.table) == 90000


def test_axes_in_any_order_are_planes_in_imagejs_order():
    rng = np.random.default_rng(1)
    data = rng.integers(0, 255, (2, 3, 2, 12, 15)).astype(np.uint8)
    settings = ParticleSettings(threshold=(128, 255), stack=True, measurements=("area", "stack"))
    a = analyze_particles(Image.from_array(data, "tzcyx"), settings)
    moved = Image.from_array(data.transpose(3, 1, 4, 0, 2), "yzxtc")
    b = analyze_particles(moved, settings)
    assert_same(a, b)
    assert a.table.headings == ("Area", "Ch", "Slice", "Frame")
    assert a.rois[0].position.c == 1


def test_only_what_is_asked_for():
    image = noise(np.random.default_rng(1), 30, 30, 0.3)
    result = analyze_particles(image, ParticleSettings(outputs=frozenset({"summary"})))
    assert result.labels is None
    assert len(result.rois) == 0
    assert result.table.headings == ()
    assert result.summary["Count"][0] == len(result.table)


def test_empty_images_and_planes():
    nothing = analyze_particles(binary(np.zeros((5, 7))), ALL)
    assert len(nothing.table) == 0
    assert nothing.labels.data.shape == (5, 7)
    for shape in ((0, 4), (4, 0), (0, 3, 4)):
        none = Image.from_array(np.zeros(shape, np.uint8), "zyx"[-len(shape) :])
        with pytest.raises(SettingsError, match="no pixels"):
            analyze_particles(none, ALL)


@pytest.mark.parametrize(
    ("dtype", "threshold", "extra", "text"),
    [
        ("uint16", None, {}, "not binary"),
        ("uint8", None, {}, "not binary"),
        ("uint16", (0, 65535), {}, "never ends"),
        ("uint16", (0, 65535), {"include": True}, "the whole image anew at every pixel"),
        ("float32", (-math.inf, 1), {}, "forever"),
        ("float32", (math.nan, 1), {}, "not a number"),
        ("uint8", (0, 255), {"select": Roi(kind="rectangle", bounds=(1, 1, 3, 3))}, "never ends"),
        ("uint8", (1, 5), {"select": Roi(kind="rectangle", bounds=(90, 1, 3, 3))}, "outside"),
        ("uint8", (1, 5), {"slice": 2}, "1 planes"),
        ("uint8", (1, 5), {"slice": 0}, "first is 1"),
        ("uint8", (1, 5), {"slice": 1, "stack": True}, "exclude each other"),
        ("uint8", (1, 5), {"select": Roi(kind="line")}, "area"),
        ("uint8", (1, 5), {"measurements": ("aera",)}, "Did you mean 'area'"),
        ("uint8", (1, 5), {"outputs": {"tabel"}}, "Did you mean 'table'"),
        ("uint8", (1, 5), {"decimal": 10}, "0 to 9"),
        ("uint8", (1, 5), {"label_limit": 0}, "label_limit"),
        ("uint8", (1, 5), {"connectivity": "4d"}, "2d and 3d"),
        ("uint8", (1,), {}, "pair"),
        ("uint8", (10, 11), {"exclude": True, "size": "big"}, "pair"),
    ],
)
def test_what_cannot_be_done_is_said(dtype, threshold, extra, text):
    image = Image.from_array(np.arange(64).reshape(8, 8).astype(dtype), "yx")
    with pytest.raises(SettingsError, match=text):
        analyze_particles(image, ParticleSettings(threshold=threshold, **extra))


def test_holes_and_corners_mean_nothing_to_labels():
    labels = LabelImage.from_array([[1, 2]], "yx")
    for word in ("include", "four"):
        with pytest.raises(SettingsError, match=word):
            analyze_particles(labels, ParticleSettings(**{word: True}))


def test_pixels_imagej_does_not_know():
    big = Image.from_array(np.full((2, 2), 2**30, np.uint32), "yx")
    with pytest.raises(UnsupportedError, match="exact"):
        analyze_particles(big, ParticleSettings(threshold=(1, 2)))
    with pytest.raises(UnsupportedError, match="complex"):
        analyze_particles(Image.from_array(np.zeros((2, 2), complex), "yx"), ParticleSettings())
    with pytest.raises(SettingsError, match="need y and x"):
        analyze_particles(Image.from_array(np.zeros(3, np.uint8), "x"), ParticleSettings())


def test_redirect_must_have_the_same_size():
    image = binary(np.ones((3, 3)))
    with pytest.raises(SettingsError, match="must be equal"):
        analyze_particles(image, ALL, redirect=binary(np.ones((3, 4))))


def test_edge_particles_that_imagej_cannot_tell():
    image = Image.from_array(np.array([[0, 1, 2, 254, 255]] * 5, np.uint8), "yx")
    settings = ParticleSettings(
        threshold=(1, 255), exclude=True, select=Roi(kind="rectangle", bounds=(0, 0, 5, 4))
    )
    with pytest.raises(SettingsError, match="no value"):
        analyze_particles(image, settings)


def test_settings_are_corrected_as_imagejs_dialog_does():
    settings = ParticleSettings(size=(-3, -1), circularity=(0.9, 0.5))
    assert settings.size == (0.0, math.inf)
    assert settings.circularity == (0.5, 0.5)
    assert ParticleSettings(circularity=(1, 1)).circularity == (0.0, 1.0)
    assert measurement_words("area, mode std") == ("area", "modal", "standard")


def test_units_follow_the_axes():
    axes = Axes.of("yx", (2, 2), scale={"x": 0.5, "y": 0.5}, unit="um")
    image = Image.from_array(np.full((2, 2), 255, np.uint8), axes)
    table = analyze_particles(image, ALL).table
    assert table["Area"][0] == 1.0
    assert table.units["Area"] == "micrometer^2"
    assert table.units["Angle"] == "degree"


def test_names_grow_with_their_numbers():
    names = particle_names(
        np.array([9999, 10000, 123456]),
        np.array([5, 5, 20000]),
        slice_number=12,
        slices=20,
        height=9000,
    )
    assert list(names) == ["0012-9999-0005", "00012-10000-00005", "000012-123456-020000"]
    wide = particle_names(np.array([1]), np.array([2]), slice_number=1, slices=1, height=10000)
    assert list(wide) == ["00001-00002"]


def test_origins_keep_all_digits_of_a_file():
    """An origin of -36.5853658536585 pixels, as ImageJ writes it, is not rounded."""
    pixel = 0.123
    axes = Axes.of("yx", (1, 60), scale={"x": pixel}, origin={"x": 36.5853658536585 * pixel})
    binary = np.zeros((1, 60), np.uint8)
    binary[0, 5] = 255
    found = analyze_particles(
        Image.from_array(binary, axes), ParticleSettings(measurements=("bounding",))
    )
    assert found.table["BX"][0] == (5 + 36.5853658536585) * pixel
