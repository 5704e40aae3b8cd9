"""Writing volumes to a DVID server; the small one of the tests checks every request."""

from __future__ import annotations

import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fijibridge as fb
from fijibridge import formats
from fijibridge.errors import FijiBridgeError, SettingsError, UnsupportedError
from fijibridge.formats.dvid import _bricks, parse_url
from fijibridge.model import Axes, Image, LabelImage
from formats.dvid_server import UUID, Volume, running


@pytest.fixture
def server():
    with running() as one:
        yield one


def grey(shape, dtype=np.uint8, seed=0, **about):
    data = np.random.default_rng(seed).integers(1, 200, shape).astype(dtype)
    return Image.from_array(data, Axes.of("zyx"[-len(shape) :], shape, **about))


def test_a_grey_volume_becomes_uint8blk(server):
    image = grey((5, 40, 70), scale={"z": 0.04, "y": 0.008, "x": 0.008}, unit="um")
    formats.write_image(image, server.url + "grey", to="dvid")
    volume = server.volumes["grey"]
    assert volume.about == {
        "typename": "uint8blk",
        "dataname": "grey",
        "BlockSize": "32,32,32",
        "VoxelSize": "8,8,40",
        "VoxelUnits": "nanometers",
    }
    np.testing.assert_array_equal(volume.get([0, 0, 0], [70, 40, 5]), image.data)
    assert volume.get([0, 0, 0], [96, 64, 32]).sum() == image.data.sum()
    words = [(method, path.rpartition(UUID)[2]) for method, path, *_ in server.requests]
    assert words == [
        ("GET", "/grey/info"),
        ("GET", "/info"),
        ("POST", "/instance"),
        ("POST", "/grey/raw/0_1_2/96_64_32/0_0_0"),
    ]


def test_labels_become_labelblk_of_64_bits(server):
    labels = LabelImage.from_array(np.arange(24, dtype=np.uint32).reshape(2, 3, 4) * 2**27, "zyx")
    formats.write_labels(labels, server.url + "cells", to="dvid")
    volume = server.volumes["cells"]
    assert volume.about["typename"] == "labelblk"
    assert "VoxelSize" not in volume.about
    np.testing.assert_array_equal(volume.get([0, 0, 0], [4, 3, 2]), labels.data)


@settings(max_examples=pytest.count(15, 300))
@given(st.tuples(*[st.integers(1, 70)] * 3), st.tuples(*[st.integers(-70, 70)] * 3), st.booleans())
def test_a_volume_lies_where_its_origin_says(shape, first, exists):
    origin = {key: a * 2.0 for key, a in zip("zyx", first, strict=True)}
    image = grey(shape, scale=dict.fromkeys("zyx", 2.0), origin=origin)
    with running() as server:
        wanted = np.zeros(tuple(n + 64 for n in shape), np.uint8)
        if exists:
            server.volumes["v"] = old = Volume({"typename": "uint8blk", "dataname": "v"})
            low = [(a - 32) // 32 * 32 for a in first]
            size = [-(-(n + 128) // 32) * 32 for n in shape]
            old.put(low[::-1], size[::-1], np.full(size, 7, np.uint8).tobytes())
            wanted[:] = 7
        formats.write_image(image, server.url + "v", to="dvid", overwrite=exists)
        around = [a - 32 for a in first]
        found = server.volumes["v"].get(around[::-1], wanted.shape[::-1])
        wanted[32:-32, 32:-32, 32:-32] = image.data
        np.testing.assert_array_equal(found, wanted)


@given(st.tuples(*[st.integers(-500, 500)] * 3), st.tuples(*[st.integers(1, 900)] * 3))
def test_bricks_cover_the_volume_once_in_whole_blocks(first, shape):
    total = 1
    for a, n in zip(first, shape, strict=True):
        total *= (-(-(a + n) // 32) - a // 32) * 32
    seen = set()
    for start, size in _bricks(first, shape):
        assert all(v % 32 == 0 for v in (*start, *size))
        assert np.prod(size) <= max(1 << 22, 32**3)
        seen.add(start)
        total -= int(np.prod(size))
    assert total == 0
    assert len(seen) == sum(1 for _ in _bricks(first, shape))


def test_an_existing_instance_is_refused_unless_overwriting(server):
    server.volumes["v"] = Volume({"typename": "uint8blk", "dataname": "v"})
    server.volumes["k"] = Volume({"typename": "labelblk", "dataname": "k"})
    server.volumes["b"] = Volume({"typename": "uint8blk", "dataname": "b", "BlockSize": "64,64,64"})
    with pytest.raises(SettingsError, match="exists"):
        formats.write_image(grey((1, 4, 4)), server.url + "v", to="dvid")
    with pytest.raises(SettingsError, match="exists as 'labelblk'"):
        formats.write_image(grey((1, 4, 4)), server.url + "k", to="dvid", overwrite=True)
    with pytest.raises(SettingsError, match=r"blocks of \[64, 64, 64\]"):
        formats.write_image(grey((1, 4, 4)), server.url + "b", to="dvid", overwrite=True)
    assert not server.volumes["v"].blocks
    formats.write_image(grey((1, 4, 4)), server.url + "v", to="dvid", overwrite=True)
    assert [query for method, _, query, _ in server.requests if method == "POST"] == [
        "throttle=true&mutate=true"
    ]


def test_a_busy_server_is_asked_again(server):
    server.busy = 3
    formats.write_image(grey((1, 4, 4)), server.url + "v", to="dvid")
    assert server.volumes["v"].blocks


def test_what_the_server_refuses_is_said(server):
    with pytest.raises(SettingsError, match="does not know the version: 400 could not find"):
        formats.write_image(grey((4, 4)), server.url.replace(UUID, "abcd") + "v", to="dvid")
    server.fail_after = 0
    with pytest.raises(SettingsError, match="takes no voxels: 500 disk full"):
        formats.write_image(grey((4, 4)), server.url + "v", to="dvid")


def test_nobody_answers():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SettingsError, match=f"'127.0.0.1:{port}' cannot be reached"):
        formats.write_image(grey((4, 4)), f"http://127.0.0.1:{port}/api/node/1/v", to="dvid")


def test_somebody_else_answers():
    with socket.create_server(("127.0.0.1", 0)) as other:
        import threading

        def talk():
            there, _ = other.accept()
            with there:
                there.recv(4096)
                there.sendall(b"SSH-2.0 hello\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        url = f"http://127.0.0.1:{other.getsockname()[1]}/api/node/1/v"
        with pytest.raises(SettingsError, match="cannot be reached"):
            formats.write_image(grey((4, 4)), url, to="dvid")
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "a/b.h5",
        "http://localhost",
        "http://localhost/api/node/1",
        "http://localhost/api/node/1/v/raw",
        "http://me@localhost/api/node/1/v",
        "http://localhost:0/api/node/1/v",
        "http://localhost:x/api/node/1/v",
        "ftp://localhost/api/node/1/v",
    ],
)
def test_addresses_that_are_none(url):
    with pytest.raises(SettingsError):
        parse_url(url)


def test_addresses():
    found = parse_url("http:/Host:80/api/node/3f:master/my%20data/")
    assert (found.host, found.uuid, found.name) == ("Host:80", "3f:master", "my data")
    assert str(found) == "http://Host:80/api/node/3f:master/my%20data"
    assert parse_url("https://[::1]:8000/api/node/1/v").secure


def test_what_dvid_does_not_hold(server):
    for image, said in (
        (grey((3, 4, 4), np.uint16), "uint16"),
        (Image.from_array(np.zeros((2, 4, 4), np.uint8), "cyx"), "c of 2"),
        (Image.from_array(np.zeros((0, 4), np.uint8), "yx"), "y of 0"),
        (grey((4, 4), scale={"x": 1e-9}, origin={"x": 100.0}), "2147483647"),
    ):
        with pytest.raises(UnsupportedError, match=said):
            formats.write_image(image, server.url + "v", to="dvid")
    with pytest.raises(SettingsError, match="compression"):
        formats.write_image(grey((4, 4)), server.url + "v", to="dvid", compression="gzip")
    with pytest.raises(FijiBridgeError, match="suffix"):
        formats.write_image(grey((4, 4)), "a.tif", to="dvid")
    assert not server.requests


def test_export_to_dvid_as_ilastik_names_it(server, tmp_path):
    image = grey((10, 40, 50))
    formats.write_image(image, tmp_path / "a.h5/raw")
    report = fb.export(
        tmp_path / "a.h5/raw",
        output_format="dvid",
        output_filename_format=server.url + "{nickname}",
        cutout_subregion="z=2:8,x=7:",
    )
    assert report.outputs == (server.url + "a-raw",)
    found = server.volumes["a-raw"].get([7, 0, 2], [43, 40, 6])
    np.testing.assert_array_equal(found, image.data[2:8, :, 7:])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5"]
    assert [(method, path.rpartition(UUID)[2]) for method, path, *_ in server.requests] == [
        ("GET", "/a-raw/info"),
        ("GET", "/info"),
        ("POST", "/instance"),
        ("POST", "/a-raw/raw/0_1_2/64_64_32/0_0_0"),
    ]
    with pytest.raises(SettingsError, match="no place on a DVID server"):
        fb.export(tmp_path / "a.h5/raw", output_format="dvid")
    with pytest.raises(SettingsError, match="is on a server"):
        fb.export(
            tmp_path / "a.h5/raw", output_format="hdf5", output_filename_format=server.url + "b"
        )
