"""OME-Zarr with outside witnesses: ome-zarr-py reads what we write, we read what it writes."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from fijibridge import formats
from fijibridge.errors import FormatError
from fijibridge.formats import Location
from fijibridge.formats.omezarr import validate
from fijibridge.model import Axes, Image, LabelImage

zarr = pytest.importorskip("zarr")


@pytest.fixture(scope="module")
def peer():
    """Import ome-zarr-py once, without its deprecation notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ome_zarr.format
        import ome_zarr.io
        import ome_zarr.reader
        import ome_zarr.writer
    return ome_zarr


def pixels(shape):
    return np.random.default_rng(0).integers(0, 4000, shape, np.uint16)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_we_read_what_ome_zarr_writes(peer, tmp_path, version):
    data = pixels((2, 7, 101, 83))
    labels = (np.arange(data[0].size).reshape(data.shape[1:]) // 500).astype(np.uint32)
    fmt = peer.format.FormatV04() if version == "0.4" else peer.format.FormatV05()
    path = tmp_path / "a.ome.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(path, mode="w", zarr_format=fmt.zarr_format)
        peer.writer.write_image(data, group, axes="czyx", fmt=fmt)
        peer.writer.write_labels(labels, group, name="nuclei", axes="zyx", fmt=fmt)
    np.testing.assert_array_equal(formats.read_image(path).data, data)
    np.testing.assert_array_equal(formats.read_labels(path / "labels/nuclei").data, labels)
    one = formats.open_image(path, level=1).spec.axes
    assert one.shape == (2, 7, 50, 41)
    # where ome-zarr-py says that the samples lie is where ours would
    assert one["y"].scale == pytest.approx(101 / 50)
    assert one["y"].origin == pytest.approx((101 / 50 - 1) / 2)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_reads_what_we_write(peer, tmp_path, version):
    axes = Axes.of("zyx", (5, 200, 300), scale={"z": 2, "y": 0.5, "x": 0.5}, unit="um")
    image = Image.from_array(pixels((5, 200, 300)), axes)
    labels = LabelImage.from_array((image.data // 500).astype(np.uint8), axes)
    path = tmp_path / "a.ome.zarr"
    formats.write_image(image, path, version=version)
    formats.write_labels(labels, path / "labels/nuclei")
    fmt = peer.format.FormatV04() if version == "0.4" else peer.format.FormatV05()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = list(peer.reader.Reader(peer.io.parse_url(str(path), mode="r", fmt=fmt))())
        assert len(nodes) >= 2
        first = nodes[0]
        np.testing.assert_array_equal(np.asarray(first.data[0]), image.data)
        assert [a["name"] for a in first.metadata["axes"]] == ["z", "y", "x"]
        steps = first.metadata["coordinateTransformations"]
        assert steps[0][0]["scale"] == [2.0, 0.5, 0.5]
        assert steps[1][0]["scale"] == [2.0, 1.0, 1.0]
        assert steps[1][1]["translation"] == [0.0, 0.25, 0.25]
        found = [n for n in nodes if n.zarr.basename() == "nuclei" and n.data]
        np.testing.assert_array_equal(np.asarray(found[0].data[0]), labels.data)


@pytest.mark.parametrize(
    ("version", "axes", "keys"),
    [("0.1", None, "tczyx"), ("0.2", None, "tczyx"), ("0.3", ["c", "z", "y", "x"], "czyx")],
)
def test_older_versions(tmp_path, version, axes, keys):
    shape = (1, 2, 3, 20, 30)[-len(keys) :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
        separator = "." if version == "0.1" else "/"
        for name, n in (("0", 1), ("1", 2)):
            data = pixels((*shape[:-2], shape[-2] // n, shape[-1] // n))
            array = group.create_array(
                name,
                shape=data.shape,
                chunks=(1,) * (data.ndim - 2) + (10, 10),
                dtype=data.dtype,
                chunk_key_encoding={"name": "v2", "separator": separator},
            )
            array[...] = data
        multiscale = {"version": version, "datasets": [{"path": "0"}, {"path": "1"}]}
        group.attrs["multiscales"] = [multiscale | ({"axes": axes} if axes else {})]
    source = formats.open_image(tmp_path / "a.zarr")
    assert source.spec.axes.keys == keys
    np.testing.assert_array_equal(formats.read_image(tmp_path / "a.zarr").data, pixels(shape))
    assert source.spec.scales[1].axes["x"].scale == 2.0
    assert any(f.severity == "error" for f in validate(Location.parse(tmp_path / "a.zarr")))


def test_axes_of_other_names(tmp_path):
    """Types say what names do not."""
    path = tmp_path / "a.ome.zarr"
    formats.write_image(Image.from_array(pixels((2, 20, 30)), "cyx"), path)
    file = path / ".zattrs"
    content = json.loads(file.read_text())
    content["multiscales"][0]["axes"][0] = {"name": "wavelength", "type": "channel"}
    file.write_text(json.dumps(content))
    assert formats.open_image(path).spec.axes.keys == "cyx"
    content["multiscales"][0]["axes"][0] = {"name": "angle", "type": "other"}
    file.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="axis 'angle'"):
        formats.open_image(path)
    assert formats.open_image(path, axes="zyx").spec.axes.keys == "zyx"
