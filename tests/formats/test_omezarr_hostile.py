"""Zarr stores that are broken, lie, or mean harm: FormatError, soon, with little memory."""

from __future__ import annotations

import contextlib
import copy
import json
import resource
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.formats import Location
from fijibridge.formats.omezarr import describe, validate
from fijibridge.model import Axes, Image, LabelImage, Region

if TYPE_CHECKING:
    from pathlib import Path


def store(folder, version="0.4", **more):
    """A small store of two levels and a label image."""
    data = np.arange(20 * 140, dtype=np.uint16).reshape(20, 140)
    axes = Axes.of("yx", data.shape, scale={"x": 0.5, "y": 0.5}, unit="um")
    path = folder / "a.ome.zarr"
    formats.write_image(Image.from_array(data, axes), path, version=version, **more)
    labels = LabelImage.from_array((data // 500).astype(np.uint8), axes)
    formats.write_labels(labels, path / "labels/n")
    return path


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def errors_of(path):
    return [f.message for f in validate(Location.parse(path)) if f.severity == "error"]


def multiscale(change):
    return lambda content: change(content["multiscales"][0])


def test_missing_and_empty(tmp_path):
    with pytest.raises(FormatError, match="There is no"):
        formats.open_image(tmp_path / "a.zarr")
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(FormatError, match="There is no image"):
        formats.open_image(tmp_path / "a.zarr")
    assert errors_of(tmp_path / "a.zarr")
    (tmp_path / "b.zarr.zip").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(FormatError, match="no readable Zarr"):
        formats.open_image(tmp_path / "b.zarr.zip")


@pytest.mark.parametrize(
    ("change", "text", "finding"),
    [
        (lambda m: m.pop("datasets"), "name no levels", "name no levels"),
        (lambda m: m.update(datasets=[{"path": "../../etc"}]), "good path", "good path"),
        (lambda m: m.update(datasets=[{"path": 5}]), "good path", "good path"),
        (lambda m: m["datasets"].insert(0, {"path": "gone"}), "no such array", "is missing"),
        (lambda m: m.update(axes=[{"name": "q"}, {"name": "x"}]), "axis 'q'", "axis 'q'"),
        (lambda m: m.update(axes=[5, 6]), "is no axis", "is no axis"),
        (lambda m: m["axes"].pop(), "do not fit its shape", "2 dimensions"),
        (
            lambda m: m["axes"].reverse(),
            None,
            "not in the order t, c, z, y, x",
        ),
        (
            lambda m: m["datasets"][0].update(
                coordinateTransformations=[{"type": "scale", "scale": [1, 2, 3]}]
            ),
            "scale of 3 numbers for 2 axes",
            "scale of 3 numbers",
        ),
        (
            lambda m: m["datasets"][0].update(
                coordinateTransformations=[{"type": "scale", "scale": ["a", None]}]
            ),
            "no list of numbers",
            "no list of numbers",
        ),
        (
            lambda m: m["datasets"][0].update(
                coordinateTransformations=[{"type": "scale", "scale": [-1, 1e400]}]
            ),
            "must be finite",
            "must be finite",
        ),
        (
            lambda m: m["datasets"][0].update(coordinateTransformations=[{"type": "affine"}]),
            "'affine'",
            "'affine'",
        ),
        (
            lambda m: m["datasets"][1]["coordinateTransformations"][0].update(scale=[0.5, 5.0]),
            None,
            "the scale of x grows 10 times, the shapes say 2",
        ),
        (lambda m: m["datasets"][1].pop("coordinateTransformations"), None, "has no scale"),
    ],
)
def test_wrong_metadata(tmp_path, change, text, finding):
    path = store(tmp_path)
    edit(path / ".zattrs", multiscale(change))
    if text is None:
        formats.open_image(path)
    else:
        with pytest.raises(FormatError, match=text):
            formats.open_image(path)
    assert any(finding in message for message in errors_of(path)), errors_of(path)


def test_findings_of_labels(tmp_path):
    path = store(tmp_path)
    assert errors_of(path) == []
    edit(path / "labels/.zattrs", lambda c: c.update(labels=["gone"]))
    found = [f.message for f in validate(Location.parse(path))]
    assert any("'gone' is listed but missing" in m for m in found)
    assert any("'n' is there but not listed" in m for m in found)
    edit(path / "labels/n/s0/.zarray", lambda c: c.update(dtype="<f4"))
    assert any("labels must be integers" in m for m in errors_of(path))
    edit(path / "labels/.zattrs", lambda c: c.pop("labels"))
    assert any("no list of labels" in m for m in errors_of(path))


def test_several_images_are_listed(tmp_path):
    path = store(tmp_path)
    edit(path / ".zattrs", lambda c: c.pop("multiscales"))
    (path / "s0").rename(path / "x0")
    with pytest.raises(FormatError, match=r"holds 3 images: s1; x0; labels/n"):
        formats.open_image(path)
    with pytest.raises(FormatError, match=r"The store holds: s1; x0; labels/n"):
        formats.open_image(path / "nope")
    assert formats.open_image(path / "labels").spec.role == "labels"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c.update(shape=[10**5, 10**5], chunks=[10**4, 10**4]), "GiB asked for"),
        (lambda c: c.update(shape=[10**6, 10**6], chunks=[10**6, 10**6]), "chunks are"),
        # newer zarr takes such chunks, and fails when it reads them
        (lambda c: c.update(chunks=[0, 5]), "chunk|cannot reshape"),
        (lambda c: c.update(shape=[-5, 5]), "readable|shape"),
        (lambda c: c.update(shape=[20, 140, 1, 1, 1, 1], chunks=[1] * 6), "1 to 5 axes|not fit"),
        (lambda c: c.update(dtype="|S5"), "not an image|no readable Zarr"),
        (lambda c: c.update(dtype="<q9"), "no readable Zarr"),
        (lambda c: c.update(compressor={"id": "nonsense"}), "no readable Zarr"),
        (lambda c: c.pop("shape"), "no readable Zarr"),
        (lambda c: c.update(shape=[10**5, 10**5]), "chunks at a time, the store holds 1"),
    ],
)
def test_arrays_that_lie(tmp_path, change, text):
    path = store(tmp_path)
    edit(path / "s0/.zarray", change)
    start = time.process_time()
    for target in (path, path / "s0"):
        with pytest.raises(FormatError, match=text):
            formats.read_image(target)
    assert time.process_time() - start < 5


def test_a_region_of_a_huge_array_is_read(tmp_path):
    path = store(tmp_path)
    edit(path / "s0/.zarray", lambda c: c.update(shape=[10**6, 10**6]))
    source = formats.open_image(path / "s0", axes="yx")
    assert source.read(Region((0, 0), (2, 3))).tolist() == [[0, 1, 2], [140, 141, 142]]


def test_truncated_and_garbled_chunks(tmp_path):
    path = store(tmp_path)
    chunk = path / "s0/0/0"
    whole = chunk.read_bytes()
    for bad in (whole[: len(whole) // 2], b"", b"x" * 100):
        chunk.write_bytes(bad)
        with pytest.raises(FormatError, match="pixels of"):
            formats.read_image(path)


def test_json_that_is_none(tmp_path):
    path = store(tmp_path)
    for bad in ("{", "[1]", "[" * 50_000, "\xff"):
        (path / ".zattrs").write_bytes(bad.encode("latin-1"))
        with pytest.raises(FormatError, match=r"no JSON|not a JSON object"):
            formats.open_image(path)
        assert errors_of(path)
        assert formats.open_image(path / "s0", axes="yx").spec.shape == (20, 140)


def test_folders_linked_in_circles(tmp_path):
    path = store(tmp_path)
    (path / "labels/up").symlink_to(path)
    (path / "labels/n/up").symlink_to(path)
    start = time.process_time()
    assert formats.read_image(path).shape == (20, 140)
    assert describe(Location.parse(path))["images"]
    (path / ".zattrs").unlink()
    with pytest.raises(FormatError, match="images"):
        formats.open_image(path)
    assert time.process_time() - start < 10


def test_a_full_disk_leaves_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    data = np.random.default_rng(0).integers(0, 255, (500, 500), np.uint8)
    image = Image.from_array(data, "yx")
    from fijibridge.formats import omezarr  # noqa: F401  # compiled before files are limited

    formats.write_image(image, tmp_path / "warm.zarr")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        for version in ("0.4", "0.5"):
            with pytest.raises(SettingsError, match="could not be written"):
                formats.write_image(image, tmp_path / "a.zarr", version=version)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == ["warm.zarr"]


#: What a mutation puts in place of a value.
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.just([1, 2, 3]),
    st.just({"path": "s0"}),
)


def places(value, prefix=()):
    """Every place in a JSON value."""
    yield prefix
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, below in items:
        yield from places(below, (*prefix, key))


def put(value, place, junk):
    value = copy.deepcopy(value)
    if not place:
        return junk
    here = value
    for key in place[:-1]:
        here = here[key]
    here[place[-1]] = junk
    return value


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Two stores, and the JSON files in them."""
    out = []
    for version in ("0.4", "0.5"):
        path = store(tmp_path_factory.mktemp("fuzz"), version)
        names = {".zattrs", ".zarray", ".zgroup", "zarr.json"}
        files = sorted(p for p in path.rglob("*") if p.name in names)
        out.append((path, [(f, f.read_text()) for f in files]))
    return out


@settings(max_examples=pytest.count(100, 3000))
@given(data=st.data(), which=st.integers(0, 1), n=st.integers(1, 3))
def test_mutated_metadata(stores, data, which, n):
    path, files = stores[which]
    changed: list[Path] = []
    try:
        for _ in range(n):
            file, text = data.draw(st.sampled_from(files), label="file")
            content = json.loads(text)
            place = data.draw(st.sampled_from(list(places(content))), label="place")
            file.write_text(json.dumps(put(content, place, data.draw(JUNK, label="junk"))))
            changed.append(file)
        start = time.process_time()
        for act in (
            lambda: formats.read_image(path),
            lambda: formats.read_image(path / "labels/n", level=1),
            lambda: formats.read_image(path / "s0"),
            lambda: describe(Location(path)),
            lambda: validate(Location(path)),
        ):
            with contextlib.suppress(FijiBridgeError):
                act()
        assert time.process_time() - start < 10
    finally:
        for file, text in files:
            if file in changed:
                file.write_text(text)
