"""Snapshots and previews: what is seen is what the pixels and the settings say."""

from __future__ import annotations

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.export.layers import lut_named, parse_layer
from fijibridge.formats.movies import check_movie, write_movie


@pytest.fixture
def images(tmp_path):
    """Return paths of a (t, z, y, x) image and of labels on it, and their pixels."""
    rng = np.random.default_rng(4)
    raw = rng.integers(0, 256, (3, 4, 20, 31), np.uint8)
    labels = np.zeros(raw.shape, np.uint16)
    labels[:, :, 5:9, 10:20] = 3
    fb.write_image(fb.Image.from_array(raw, "tzyx"), tmp_path / "raw.h5")
    fb.write_labels(labels, tmp_path / "labels.h5", axes="tzyx")
    return tmp_path, raw, labels


def test_a_plane_is_what_the_pixels_are(images):
    folder, raw, _ = images
    fb.snapshot(folder / "raw.h5", slice=1, time=2, output=f"{folder}/o.png")
    found = fb.read_image(folder / "o.png").data
    assert np.array_equal(found, np.repeat(raw[2, 1][..., None], 3, axis=-1))


def test_camera_region_and_zoom(images):
    folder, raw, _ = images
    fb.snapshot(
        folder / "raw.h5", axis="y", slice=7, region="z=1:3,x=10:", zoom=2, output=f"{folder}/o.png"
    )
    found = fb.read_image(folder / "o.png").data[..., 0]
    wanted = raw[0, 1:3, 7, 10:].repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(found, wanted)


def test_layers_cover_by_their_opacity(images):
    folder, raw, labels = images
    fb.snapshot(
        folder / "raw.h5",
        layer=[f"{folder}/labels.h5,role=labels,opacity=0.25,lut=#0000ff"],
        slice=0,
        output=f"{folder}/o.png",
    )
    found = fb.read_image(folder / "o.png").data.astype(int)
    grey = np.repeat(raw[0, 0][..., None], 3, axis=-1).astype(float)
    top = lut_named("#0000ff")[3].astype(float)
    mixed = np.where((labels[0, 0] > 0)[..., None], grey + 0.25 * (top - grey), grey)
    assert np.array_equal(found, np.rint(mixed).astype(int))


def test_channels_are_added(tmp_path):
    data = np.stack([np.full((4, 5), 100, np.uint8), np.full((4, 5), 200, np.uint8)])
    fb.write_image(fb.Image.from_array(data, "cyx"), tmp_path / "c.h5")
    fb.snapshot(tmp_path / "c.h5", output=f"{tmp_path}/o.png")
    assert fb.read_image(tmp_path / "o.png").data[0, 0].tolist() == [100, 200, 0]
    fb.snapshot(
        layer=f"{tmp_path}/c.h5,channel=1,lut=magenta,range=0..399", output=f"{tmp_path}/p.png"
    )
    assert fb.read_image(tmp_path / "p.png").data[0, 0].tolist() == [128, 0, 128]


def test_sequences_and_gifs(images):
    folder, raw, _ = images
    report = fb.snapshot(
        folder / "raw.h5", along="z", time=1, output=f"{folder}/s_{{slice_index}}.png"
    )
    names = [p for p in report.outputs if p.endswith(".png")]
    assert len(names) == 4
    assert np.array_equal(fb.read_image(names[2]).data[..., 1], raw[1, 2])
    fb.snapshot(folder / "raw.h5", along="t", slice=3, output=f"{folder}/m.gif")
    frames = fb.read_image(folder / "m.gif")
    assert frames.axes.keys == "tyxc"
    assert np.array_equal(frames.data[..., 0], raw[:, 3])


@pytest.mark.imagej
@pytest.mark.parametrize("width", [31, 32])
def test_imagej_opens_the_movie(images, imagej, width):
    import jpype

    folder, raw, _ = images
    path = f"{folder}/m.avi"
    fb.snapshot(folder / "raw.h5", along="t", slice=2, region=f"x=:{width}", output=path)
    image = jpype.JClass("ij.plugin.AVI_Reader").openVirtual(path)
    assert (image.getWidth(), image.getHeight(), image.getStackSize()) == (min(width, 31), 20, 3)
    for i in range(3):
        pixels = np.array(image.getStack().getProcessor(i + 1).getPixels()[:], np.int64) & 0xFFFFFF
        wanted = raw[i, 2, :, :width].astype(np.int64).ravel()
        assert np.array_equal(pixels, wanted * 0x010101)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"slice": 9}, "slice is 9; the image has 4 samples"),
        ({"time": 3}, "time is 3; the image has 3 samples"),
        ({"along": "x", "output": "o.gif"}, "is an axis of the picture"),
        ({"region": "z=1:2"}, "region names the axis 'z'"),
        ({"region": "x=40:50"}, "region is empty along 'x'"),
        ({"zoom": 1000}, "zoom is 1000"),
        ({"fps": 0}, "fps is 0"),
        ({"output": "o.avi"}, "must end in one of"),
        ({"along": "t", "output": "o.png"}, "there are 3 pictures"),
        ({"layer": "raw.h5,lutt=red"}, "Did you mean 'lut'"),
        ({"layer": "raw.h5,lut=redd"}, "Did you mean 'red'"),
        ({"layer": "raw.h5,opacity=2"}, "opacity is '2'"),
        ({"layer": "raw.h5,range=5-2"}, "range is '5-2'"),
        ({"layer": "raw.h5,role=x"}, "role is 'x'"),
        ({"layer": "raw.h5,channel=-1"}, "channel is '-1'"),
        ({"layer": "raw.h5,channel=1"}, "channel 1 is none of them"),
        ({"layer": "small.h5"}, "Layers lie on each other"),
    ],
)
def test_wrong_settings_are_told(images, monkeypatch, more, said):
    monkeypatch.chdir(images[0])
    fb.write_image(fb.Image.from_array(np.zeros((20, 30), np.uint8), "yx"), "small.h5")
    with pytest.raises(SettingsError) as caught:
        fb.snapshot("raw.h5", **more)
    assert said in str(caught.value)


def test_what_is_missing_or_too_large(tmp_path):
    with pytest.raises(FormatError, match="There is no file"):
        fb.snapshot(tmp_path / "none.tif")
    with pytest.raises(SettingsError, match="needs an IMAGE"):
        fb.snapshot()
    (tmp_path / "a.lut").write_bytes(b"12")
    with pytest.raises(FormatError, match="is no colour table"):
        parse_layer(f"a.tif,lut={tmp_path}/a.lut")
    with pytest.raises(UnsupportedError, match="an AVI holds 2 GB"):
        check_movie("a.avi", 10_000, 1000, 1000)
    with pytest.raises(SettingsError, match="must end in"):
        write_movie("a.mov", iter([np.zeros((2, 2, 3), np.uint8)]), 1)


def test_the_preview_is_the_export(images, capsys):
    folder, _, _ = images
    values = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    fb.write_image(fb.Image.from_array(values, "yx"), folder / "p.h5")
    asked = {
        "export_dtype": "uint8",
        "pipeline_result_drange": (0.0, 0.5),
        "export_drange": (0, 255),
        "output_axis_order": "xy",
    }
    shown = fb.preview(folder / "p.h5", region="y=3:15,x=2:9", **asked)
    fb.export(folder / "p.h5", output_filename_format=f"{folder}/e.npy", **asked)
    assert np.array_equal(shown.exported, np.load(folder / "e.npy")[2:9, 3:15])
    assert np.array_equal(shown.raw, values[3:15, 2:9])
    assert shown.saturated == int((values[3:15, 2:9] > 0.5).sum())
    assert shown._repr_png_().startswith(b"\x89PNG")
    assert "data:image/png" in shown._repr_html_()
    assert main(["preview", f"{folder}/p.h5", "--export_dtype", "uint8"]) == 0
    assert (folder / "p_preview.png").exists()
    assert "become 0 and 1" in capsys.readouterr().out
    with pytest.raises(SettingsError, match="preview has no recipe"):
        fb.preview(folder / "p.h5", recipe="[{}]")
    with pytest.raises(SettingsError, match="nothing of the cut-out"):
        fb.preview(folder / "p.h5", cutout_subregion="y=:4", region="y=10:12")


def test_an_image_in_memory_has_a_preview():
    shown = fb.preview(np.arange(24, dtype=np.uint16).reshape(2, 3, 4), input_axes="zyx")
    assert shown.exported.shape == (1, 3, 4)
