"""The verb ``export`` through every door."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.errors import FormatError, SettingsError, UnsupportedError


@pytest.fixture
def volume(tmp_path):
    """Return the path of a calibrated (z, y, x) uint16 dataset."""
    data = np.arange(6 * 20 * 30, dtype=np.uint16).reshape(6, 20, 30)
    axes = fb.Axes.of("zyx", data.shape, scale={"z": 2, "y": 0.5, "x": 0.5}, unit="um")
    path = tmp_path / "in" / "a.b.h5"
    path.parent.mkdir()
    fb.write_image(fb.Image.from_array(data, axes), f"{path}/raw")
    return f"{path}/raw"


def test_the_default_is_ilastiks(volume, tmp_path, capsys):
    assert main(["export", volume]) == 0
    assert "wrote" in capsys.readouterr().out
    out = tmp_path / "in/a.b-raw_Input.h5"
    found = fb.read_image(f"{out}/exported_data")
    assert np.array_equal(found.data, fb.read_image(volume).data)
    assert found.axes == fb.read_image(volume).axes
    assert (tmp_path / "in/a.b-raw_Input_settings.json").exists()
    # once more: the target is there
    assert main(["export", volume]) == 2
    assert main(["export", volume, "--overwrite"]) == 0
    assert main(["export", volume, "--skip_existing"]) == 0
    assert "complete, skipped" in capsys.readouterr().out


def test_a_dry_run_tells_everything_and_writes_nothing(volume, tmp_path, capsys):
    words = ["--cutout_subregion", "z=1:3,y=:10", "--export-dtype", "uint8", "--json", "--dry-run"]
    assert main(["export", volume, "--output_format", "imagej tiff", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["shape"], told["axes"], told["dtype"]) == ([2, 10, 30], "zyx", "uint8")
    assert told["bytes"] == 600
    assert sorted(p.name for p in (tmp_path / "in").iterdir()) == ["a.b.h5"]


def test_what_is_planned_is_what_is_found(volume, tmp_path):
    for name in ("multipage tiff", "imagej tiff", "numpy", "multi-scale OME-Zarr", "hdf5"):
        report = fb.export(
            volume,
            output_format=name,
            cutout_subregion=[(1, None, 2, 0), (None, 10, 8, 1)],
            output_filename_format=f"{tmp_path}/out/{{nickname}}_{{z_start}}",
        )
        data = report.to_json()
        found = fb.read_image(report.outputs[0], axes=data["axes"] if name == "numpy" else None)
        assert list(found.shape) == data["shape"]
        assert (found.axes.keys, str(found.dtype)) == (data["axes"], data["dtype"])
        if name not in ("numpy", "hdf5", "imagej tiff"):
            assert found.axes["z"].origin == 2.0
            assert found.axes["x"].origin == 1.0
        assert np.array_equal(found.data, fb.read_image(volume).data[1:, :10, 2:8])


def test_values_saturate_and_are_counted(tmp_path):
    data = np.array([[-1.0, 0.5, 1.5, 300.0, np.nan]], np.float32)
    report = fb.export(
        data,
        input_axes="yx",
        export_dtype="uint8",
        output_filename_format=f"{tmp_path}/a.npy",
    )
    assert np.load(tmp_path / "a.npy").tolist() == [[0, 0, 2, 255, 0]]
    assert "2 values were beyond uint8 and saturated." in report.notes or any(
        "2 values were beyond uint8" in n for n in report.to_json()["notes"]
    )
    assert any("1 values were NaN" in n for n in report.to_json()["notes"])


def test_probabilities_into_bytes_are_warned_about(tmp_path):
    image = fb.Image.from_array(np.full((4, 5), 0.5, np.float32), "yx", role="probabilities")
    where = f"{tmp_path}/p.h5"
    report = fb.export(image, export_dtype="uint8", output_filename_format=where, dry_run=True)
    assert any("they become 0 and 1" in note for note in report.notes)
    report = fb.export(
        image,
        export_dtype="uint8",
        pipeline_result_drange=(0.0, 1.0),
        export_drange=(0, 255),
        output_filename_format=where,
    )
    assert not report.notes
    found = fb.read_image(where)
    assert found.data[0, 0] == 128  # 127.5 to even
    assert found.spec.extra.drange == (0, 255)


def test_a_batch_goes_on_after_a_bad_input(tmp_path, capsys):
    for name in "ab":
        fb.write_image(
            fb.Image.from_array(np.eye(5, dtype=np.uint8), "yx"), tmp_path / f"{name}.npy"
        )
    (tmp_path / "bad.npy").write_bytes(b"no array")
    inputs = [str(tmp_path / f"{name}.npy") for name in ("a", "bad", "b")]
    words = ["--output_format", "png", "--output_filename_format", f"{tmp_path}/o/{{nickname}}"]
    assert main(["export", *inputs, *words]) == 3
    assert "bad.npy" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "o").glob("*.png")) == ["a.png", "b.png"]


def test_names_that_collide_are_refused_before_anything_is_read(tmp_path):
    for name in "ab":
        fb.write_image(
            fb.Image.from_array(np.eye(5, dtype=np.uint8), "yx"), tmp_path / f"{name}.npy"
        )
    with pytest.raises(SettingsError, match="Two inputs would be written to") as caught:
        fb.export(tmp_path / "a.npy", tmp_path / "b.npy", output_filename_format=f"{tmp_path}/o.h5")
    assert "a.npy" in str(caught.value)
    assert "b.npy" in str(caught.value)
    assert not (tmp_path / "o.h5").exists()
    report = fb.export(
        tmp_path / "a.npy", tmp_path / "b.npy", output_filename_format=f"{tmp_path}/o{{index}}.h5"
    )
    assert [p for p in report.outputs if ".h5/" in p] == [
        f"{tmp_path}/o0.h5/exported_data",
        f"{tmp_path}/o1.h5/exported_data",
    ]
    with pytest.raises(SettingsError, match="is also an input"):
        fb.export(tmp_path / "a.npy", output_format="numpy", output_filename_format=f"{tmp_path}/a")


def test_a_sequence_and_back_as_a_stack(volume, tmp_path):
    fb.export(
        volume,
        output_format="tiff sequence",
        output_filename_format=f"{tmp_path}/s/{{nickname}}_{{slice_index}}",
    )
    files = sorted(p.name for p in (tmp_path / "s").glob("*.tiff"))
    assert files == [f"a.b-raw_{i}.tiff" for i in range(6)]
    fb.export(f"{tmp_path}/s/*.tiff", output_filename_format=f"{tmp_path}/back.npy")
    assert np.array_equal(np.load(tmp_path / "back.npy"), fb.read_image(volume).data)


def test_a_sequence_that_fails_leaves_nothing(tmp_path):
    data = np.zeros((5, 4, 4), np.int32)
    data[3] = 70_000
    image = fb.Image.from_array(data, "zyx", role="labels")
    with pytest.raises(UnsupportedError, match="label"):
        fb.export(
            image,
            output_format="png sequence",
            output_filename_format=f"{tmp_path}/{{slice_index}}",
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        (
            {"output_format": "hdf5", "output_filename_format": "o.tif"},
            SettingsError,
            "ends in .tif",
        ),
        ({"output_filename_format": "{nicname}"}, SettingsError, "Did you mean 'nickname'?"),
        ({"output_filename_format": "{x_start:q}"}, SettingsError, "cannot be filled in"),
        ({"output_filename_format": "a_{slice_index}.h5"}, SettingsError, "slice_index"),
        ({"output_format": "compresed n5"}, SettingsError, "Did you mean"),
        ({"cutout_subregion": "t=0:1"}, SettingsError, "names the axis 't'"),
        ({"cutout_subregion": "z=0:1,z=1:2"}, SettingsError, "twice"),
        ({"cutout_subregion": "[(0,0,0),(1,1,0)]"}, SettingsError, "empty along 'x'"),
        ({"cutout_subregion": "[(0,0,0,1),(1,1,1,2)]"}, SettingsError, "channel axis"),
        ({"output_filename_format": "a.h5/b.npy"}, SettingsError, "goes on inside 'a.h5'"),
        ({"compat": "illastik"}, SettingsError, "allowed are ilastik"),
        ({"memory": "much"}, SettingsError, "such as 1GB"),
        ({"jobs": -1}, SettingsError, "jobs is -1"),
    ],
)
def test_wrong_settings_are_told(volume, tmp_path, more, error, said):
    if "output_filename_format" in more:
        more = {**more, "output_filename_format": f"{tmp_path}/{more['output_filename_format']}"}
    with pytest.raises(error, match=said.replace("?", r"\?")):
        fb.export(volume, **more)
    assert sorted(p.name for p in (tmp_path / "in").iterdir()) == ["a.b.h5"]


def test_a_missing_input_is_a_format_error(tmp_path):
    with pytest.raises(FormatError, match="There is no file"):
        fb.export(tmp_path / "no.h5")
    with pytest.raises(SettingsError, match="needs an INPUT"):
        fb.export()


def test_a_clipped_cut_out_is_noted(volume, tmp_path):
    report = fb.export(
        volume, cutout_subregion="z=-2:99", output_filename_format=f"{tmp_path}/c.npy"
    )
    assert any("clipped" in note for note in report.notes)
    assert np.load(tmp_path / "c.npy").shape == (6, 20, 30)


def test_run_repeats_an_export(volume, tmp_path):
    fb.export(volume, cutout_subregion="z=1:3", output_filename_format=f"{tmp_path}/r/x.npy")
    first = (tmp_path / "r/x.npy").read_bytes()
    (tmp_path / "r/x.npy").unlink()
    assert main(["run", str(tmp_path / "r/x_settings.json")]) == 0
    assert (tmp_path / "r/x.npy").read_bytes() == first


def test_a_pixel_type_that_does_not_fit_says_what_to_type(tmp_path, capsys):
    fb.write_image(fb.Image.from_array(np.zeros((4, 5), np.uint16), "yx"), tmp_path / "a.tif")
    words = ["export", f"{tmp_path}/a.tif", "--output_filename_format", f"{tmp_path}/o.jpg"]
    assert main(words) == 4
    said = capsys.readouterr().err
    hint = (
        "--export_dtype uint8",
        '--pipeline_result_drange "(0,65535)"',
        '--export_drange "(0,255)"',
    )
    assert all(part in said for part in hint)
    typed = ["--export_dtype", "uint8", "--pipeline_result_drange", "(0,65535)"]
    assert main([*words, *typed, "--export_drange", "(0,255)"]) == 0
