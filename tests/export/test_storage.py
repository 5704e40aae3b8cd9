"""Object storage: images are read from and written to an S3 that the tests start."""

from __future__ import annotations

import gc
import json
import warnings

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.errors import FormatError, SettingsError
from fijibridge.export.places import open_place
from fijibridge.export.settings import ExportSettings
from fijibridge.model import Region

server = pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def storage():
    """Return a file system with a bucket; the environment says where it is."""
    running = server.ThreadedMotoServer(port=0)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        fs = s3fs.S3FileSystem()
        if not fs.exists("lab"):  # servers of one process share their buckets
            fs.mkdir("lab")
        yield fs
    del fs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # connections that Python closes
        s3fs.S3FileSystem.clear_instance_cache()
        gc.collect()
    running.stop()


@pytest.fixture
def volume(tmp_path):
    data = np.random.default_rng(5).integers(0, 4000, (20, 150, 170), np.uint16)
    axes = fb.Axes.of("zyx", data.shape, scale={"z": 2, "y": 0.5, "x": 0.5}, unit="um")
    image = fb.Image.from_array(data, axes)
    fb.write_image(image, tmp_path / "a.h5")
    return tmp_path / "a.h5", image


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("multi-scale OME-Zarr", "zarr"),
        ("single-scale OME-Zarr", "zarr"),
        ("hdf5", "h5"),
        ("multipage tiff", "ome.tiff"),
        ("numpy", "npy"),
        ("compressed n5", "n5"),
    ],
)
def test_written_and_read_back(storage, volume, name, more):
    path, image = volume
    target = f"s3://lab/out/{name.replace(' ', '_')}.{more}"
    report = fb.export(path, output_format=name, output_filename_format=target)
    assert report.outputs[0].startswith(target)
    asked = ExportSettings(input_axes="zyx" if more == "npy" else None)
    source = open_place(report.outputs[0], asked)
    try:
        found = source.read(Region((3, 10, 20), (9, 140, 160)))
        assert np.array_equal(found, image.data[3:9, 10:140, 20:160])
        if more != "npy":
            assert source.spec.axes["z"].scale == 2
    finally:
        source.close()
    with pytest.raises(SettingsError, match="exists"):
        fb.export(path, output_format=name, output_filename_format=target)
    fb.export(path, output_format=name, output_filename_format=target, overwrite=True)


def test_from_storage_to_storage(storage, volume, tmp_path, capsys):
    _, image = volume
    fb.write_image(image, tmp_path / "b.zarr")
    storage.put(str(tmp_path / "b.zarr"), "lab/in/b.zarr", recursive=True)
    words = ["export", "s3://lab/in/b.zarr", "--output_format", "png sequence", "--json"]
    words += ["--output_filename_format", "{dataset_dir}/png/{nickname}_{slice_index}"]
    assert main([*words, "--cutout_subregion", "z=4:7"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outputs"] == [f"s3://lab/in/png/b_{i}.png" for i in (4, 5, 6)]
    storage.get("lab/in/png/b_5.png", str(tmp_path / "b_5.png"))
    assert np.array_equal(fb.read_image(tmp_path / "b_5.png").data, image.data[5])


def test_levels_are_read_where_they_are(storage, volume, tmp_path):
    _, image = volume
    fb.write_image(image, tmp_path / "c.zarr", version="0.5")
    storage.put(str(tmp_path / "c.zarr"), "lab/in/c.zarr", recursive=True)
    local = fb.read_image(tmp_path / "c.zarr/s1")
    report = fb.export("s3://lab/in/c.zarr/s1", output_filename_format=f"{tmp_path}/l.npy")
    assert np.array_equal(np.load(report.outputs[0]), local.data)


def test_what_is_not_there_is_said(storage, tmp_path):
    with pytest.raises(FormatError, match="There is nothing at"):
        fb.export("s3://lab/in/none.zarr", output_filename_format=f"{tmp_path}/l.npy")
    with pytest.raises(FormatError, match="s3://no-such-bucket"):
        fb.export("s3://no-such-bucket/a.tif", output_filename_format=f"{tmp_path}/l.npy")


def test_a_failed_upload_leaves_nothing(storage, volume):
    path, _ = volume
    with pytest.raises(SettingsError, match="could not be written"):
        fb.export(path, output_filename_format="s3://no-such-bucket-here/x.zarr")
