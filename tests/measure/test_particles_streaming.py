"""Sources are read plane by plane and strip by strip; the result is that of the whole image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.measure import streaming
from fijibridge.measure.particle_settings import ParticleSettings
from fijibridge.measure.particles import analyze_particles
from fijibridge.model import Image, LabelImage


class Reader:
    """A source that remembers the largest block it was asked for."""

    def __init__(self, image):
        self.image = image
        self.largest = 0

    @property
    def spec(self):
        return self.image.spec

    def read(self, region):
        self.largest = max(self.largest, int(np.prod(region.shape)))
        return self.image.read(region)

    def close(self):
        return


@pytest.fixture
def tiny_strips(monkeypatch):
    monkeypatch.setattr(streaming, "STRIP_BYTES", 800)


def assert_same(a, b):
    assert a.table.headings == b.table.headings
    for heading in a.table.headings:
        assert np.array_equal(a.table[heading], b.table[heading], equal_nan=True), heading
    assert np.array_equal(a.labels.data, b.labels.data)
    assert list(a.rois.names) == list(b.rois.names)
    for i in range(len(a.rois)):
        ours, theirs = a.rois.outlines.loops(i), b.rois.outlines.loops(i)
        assert all(map(np.array_equal, ours, theirs))


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    kind=st.sampled_from(["binary", "uint8", "uint16", "int16", "float32"]),
    include=st.booleans(),
    composite=st.booleans(),
    redirected=st.booleans(),
)
def test_strips_are_the_whole(tiny_strips, seed, size, kind, include, composite, redirected):
    rng = np.random.default_rng(seed)
    data, threshold = rng.random(size), (0.4, 0.9)
    if kind == "binary":
        data, threshold = (data < 0.4).astype(np.uint8) * 255, None
    elif kind != "float32":
        data, threshold = data * 200, (70, 190)
    data = data.astype("uint8" if kind == "binary" else kind)
    if kind == "float32":
        data[rng.random(size) < 0.02] = np.nan
    image = Image.from_array(data, "yx", name="big")
    redirect = Image.from_array((rng.random(size) * 99).astype(np.float32), "yx")
    redirect = redirect if redirected else None
    settings = ParticleSettings(
        threshold=threshold,
        include=include,
        composite=composite,
        measurements=("all",),
        outputs={"table", "labels", "rois", "summary"},
    )
    whole = analyze_particles(image, settings, redirect=redirect)
    other = redirect if redirect is None else Reader(redirect)
    assert_same(whole, analyze_particles(Reader(image), settings, redirect=other))


def test_blocks_stay_small(monkeypatch):
    monkeypatch.setattr(streaming, "STRIP_BYTES", 1 << 14)
    data = np.zeros((400, 200), np.uint16)
    data[::5, ::5] = np.random.default_rng(1).integers(1, 999, (80, 40))
    reader = Reader(Image.from_array(data, "yx"))
    settings = ParticleSettings(threshold=(1, 65535), measurements=("all",))
    streamed = analyze_particles(reader, settings)
    assert reader.largest * 2 <= 1 << 13
    assert_same(streamed, analyze_particles(reader.image, settings))


def test_stacks_are_read_plane_by_plane():
    data = np.random.default_rng(2).integers(0, 9, (2, 3, 20, 30)).astype(np.uint8)
    reader = Reader(Image.from_array(data, "tzyx"))
    settings = ParticleSettings(threshold=(5, 9), stack=True, measurements=("all", "stack"))
    assert_same(analyze_particles(reader, settings), analyze_particles(reader.image, settings))
    assert reader.largest == 600


def test_threshold_that_rounds_is_analyzed_whole(tiny_strips):
    data = np.round(np.random.default_rng(2).random((40, 40)), 1).astype(np.float32)
    image = Image.from_array(data, "yx")
    settings = ParticleSettings(threshold=(0.7, 1), measurements=("all",))
    assert_same(analyze_particles(image, settings), analyze_particles(Reader(image), settings))


def test_label_sources():
    labels = LabelImage.from_array(np.random.default_rng(2).integers(0, 4, (9, 11)), "yx")
    settings = ParticleSettings(measurements=("area",))
    assert_same(analyze_particles(labels, settings), analyze_particles(Reader(labels), settings))
