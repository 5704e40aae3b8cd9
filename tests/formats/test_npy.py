"""NumPy files: the contract, guesses, archives, hostile headers."""

from __future__ import annotations

import contextlib
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.model import Image
from formats.contract import ImageContract

NUMBERS = ("uint8", "int8", "uint16", "int32", "uint64", "int64", "float16", "float32", "float64")


class TestNpy(ImageContract):
    fmt = "numpy"
    suffix = ".npy"
    dtypes = NUMBERS
    label_dtypes = ("uint8", "uint16", "uint32", "int64", "uint64")
    axes_sets = ("yx", "zyx", "xy", "tzyxc", "cxyzt")

    def read_options(self, axes):
        return {"axes": axes}


class TestNpz(TestNpy):
    fmt = "npz"
    suffix = ".npz"
    axes_sets = ("zyx", "yx")


def test_axes_are_guessed_as_ilastik_does(tmp_path):
    shapes = {"yx": (5, 6), "zyx": (5, 6, 7), "yxc": (5, 6, 4), "zyxc": (5, 6, 7, 9), "x": (3,)}
    for axes, shape in {**shapes, "tzyxc": (1, 2, 3, 4, 5)}.items():
        path = tmp_path / f"{axes}.npy"
        np.save(path, np.zeros(shape))
        assert formats.open_image(path).spec.axes.keys == axes


def test_fortran_order_and_bool_are_read(tmp_path):
    data = np.asfortranarray(np.arange(60, dtype=">i4").reshape(3, 4, 5))
    np.save(tmp_path / "f.npy", data)
    image = formats.read_image(tmp_path / "f.npy")
    assert image.dtype == np.int32
    np.testing.assert_array_equal(image.data, data)
    np.save(tmp_path / "b.npy", np.eye(7, dtype=bool))
    np.testing.assert_array_equal(
        formats.read_image(tmp_path / "b.npy").data, np.eye(7, dtype=np.uint8) * 255
    )
    np.testing.assert_array_equal(formats.read_labels(tmp_path / "b.npy").ids, [1])


def test_an_archive_names_its_arrays(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", raw=np.ones((5, 6)), mask=np.zeros((5, 6), np.uint8))
    assert formats.read_image(f"{tmp_path}/a.npz/mask").dtype == np.uint8
    with pytest.raises(FormatError, match=r"holds 2 arrays.*a\.npz/raw"):
        formats.read_image(tmp_path / "a.npz")
    with pytest.raises(FormatError, match="no array 'nope'"):
        formats.read_image(f"{tmp_path}/a.npz/nope")


def test_an_archive_grows_beside_what_it_holds(tmp_path):
    path = tmp_path / "a.npz"
    one, two = (Image.from_array(np.full((4, 5), n, np.uint8), "yx") for n in (1, 2))
    formats.write_image(one, f"{path}/one")
    formats.write_image(two, f"{path}/two")
    with pytest.raises(SettingsError, match="exists"):
        formats.write_image(two, f"{path}/one")
    formats.write_image(two, f"{path}/one", overwrite=True)
    found = np.load(path)
    assert sorted(found) == ["one", "two"]
    assert found["one"].max() == 2
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def header(shape, descr="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def test_a_40_gb_header_on_a_small_file_is_refused(tmp_path):
    head = header((5000, 1000, 1000))
    (tmp_path / "a.npy").write_bytes(head + b"\0" * 1000)
    with pytest.raises(FormatError, match="truncated"):
        formats.read_image(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("data.npy", head + b"\0" * 1000)
    with pytest.raises(FormatError, match="truncated"):
        formats.read_image(tmp_path / "a.npz")


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="never loaded"):
        formats.read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("data", [np.zeros((2, 2), complex), np.zeros(3, "S3"), np.zeros([2] * 6)])
def test_what_is_no_image_is_refused(tmp_path, data):
    np.save(tmp_path / "a.npy", data)
    with pytest.raises(FormatError):
        formats.read_image(tmp_path / "a.npy")


def test_wrong_axes_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    with pytest.raises(SettingsError, match="name 3 axes"):
        formats.open_image(tmp_path / "a.npy", axes="zyx")
    with pytest.raises(SettingsError, match="level"):
        formats.open_image(tmp_path / "a.npy", level=1)
    with pytest.raises(SettingsError, match="one array"):
        formats.open_image(formats.Location(tmp_path / "a.npy", "x"))


def samples():
    plain, packed = io.BytesIO(), io.BytesIO()
    np.save(plain, np.arange(40, dtype=np.uint16).reshape(2, 4, 5))
    np.savez_compressed(packed, data=np.arange(40).reshape(2, 4, 5))
    return {"a.npy": plain.getvalue(), "a.npz": packed.getvalue()}


SAMPLES = samples()


@settings(max_examples=pytest.count(200, 4000))
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_damaged_files_are_format_errors(tmp_path_factory, name, data):
    raw = bytearray(SAMPLES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    path = tmp_path_factory.getbasetemp() / f"fuzz-{name}"
    path.write_bytes(raw)
    with contextlib.suppress(FijiBridgeError):
        formats.read_image(path)


def test_describe_and_validate(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    where = formats.Location(tmp_path / "a.npy")
    fmt = formats.format_for_reading(where, "image")
    assert fmt.describe(where)["shape"] == [3, 4]
    assert "guess" in fmt.validate(where)[0].message
    np.savez(tmp_path / "b.npz", one=np.zeros((3, 4)))
    where = formats.Location(tmp_path / "b.npz")
    fmt = formats.format_for_reading(where, "image")
    assert fmt.describe(where)["arrays"] == ["one"]
    (tmp_path / "b.npz").write_bytes(b"PK")
    assert fmt.validate(where)[0].severity == "error"


def test_a_member_without_a_name_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("x", b"x")
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[raw.index(b"PK\1\2") + 46] = 0  # zipfile cuts names at a NUL
    raw[30] = 0
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(FormatError, match="0 arrays"):
        formats.read_image(tmp_path / "a.npz")
