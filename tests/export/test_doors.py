"""The same export through every door: Python, JSON, macro keys, and ilastik's command line."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import fijibridge as fb
from fijibridge import ops
from fijibridge.cli import main
from fijibridge.export.outputs import OUTPUTS
from fijibridge.ops import from_keys

DATA = np.random.default_rng(0).integers(0, 60000, (6, 9, 8), np.uint16)


@pytest.fixture
def source(tmp_path):
    fb.write_image(fb.Image.from_array(DATA, "zyx"), tmp_path / "a b.h5/raw")
    return str(tmp_path / "a b.h5/raw")


def wanted():
    return np.rint(DATA[1:4, :, 2:].astype(float) * 255 / 60000).astype(np.uint8)


VALUES = {
    "output_format": "numpy",
    "export_dtype": "uint8",
    "output_axis_order": "xyz",
}


def lines(source, target):
    """Yield command lines that mean the same."""
    cut = ("--cutout_subregion", "[(1,None,2),(4,None,None)]")
    ranges = ("--pipeline_result_drange=(0,60000)", "--export_drange=(0,255)")
    more = ("--export_dtype=uint8", "--output_axis_order=xyz")
    name = f"--output_filename_format={target}"
    yield ("--output_format=numpy", *cut, *ranges, *more, name, source)
    yield (source, "--output_format", "numpy", *cut, *ranges, *more, name)
    yield ("--headless", "--readonly", *ranges, *cut, *more, name, "--output-format=numpy", source)
    dashed = [word.replace("_", "-", 3) for word in (*cut, *ranges, *more)]
    yield (*dashed, f"--output-filename-format={target}", "--output-format", "numpy", source)
    yield (
        *("--headless", "--new_project", "x.ilp", "--workflow=Data Conversion"),
        *("--ignore_training_axistags", "--preconvert_stacks", "--output_format=numpy"),
        *(*cut, *ranges, *more, name, "--input_data", source),
    )
    yield (
        *("--cutout_subregion=z=1:4,x=2:", *ranges, *more, name),
        *("--output_format=NumPy", "--export_source", "input", source),
    )


def test_ilastiks_command_line_in_all_spellings(tmp_path, source, capsys):
    for i, words in enumerate(lines(source, tmp_path / "o")):
        assert main(["export", *words, "--no-settings"]) == 0, capsys.readouterr().err
        np.testing.assert_array_equal(np.load(tmp_path / "o.npy").T, wanted(), err_msg=str(i))
        (tmp_path / "o.npy").unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["a b.h5"]


def test_what_begins_a_flag_is_none(source, capsys):
    """argparse, and so ilastik, would take it; a typing error must not choose an option."""
    assert main(["export", source, "--output_form", "numpy"]) == 2
    said = capsys.readouterr().err
    assert "There is no flag --output_form of export. Did you mean --output-format?" in said


def test_json(tmp_path, source):
    request = {
        "verb": "export",
        "settings": {
            **VALUES,
            "inputs": [source],
            "cutout_subregion": [[1, None, 2], [4, None, None]],
            "pipeline_result_drange": [0, 60000],
            "export_drange": [0, 255],
            "output_filename_format": f"{tmp_path}/j",
        },
    }
    answer = json.loads(ops.call(json.dumps(request)))
    assert answer["ok"], answer
    np.testing.assert_array_equal(np.load(tmp_path / "j.npy").T, wanted())
    assert answer["report"]["shape"] == [6, 9, 3]
    request["settings"]["output_format"] = "nummpy"
    answer = json.loads(ops.call(json.dumps(request)))
    assert answer["error"]["type"] == "SettingsError"
    assert "Did you mean 'numpy'?" in answer["error"]["message"]


def test_macro_keys(tmp_path, source):
    report = from_keys(
        "export",
        f"input=[{source}] output_format=numpy export_dtype=uint8 output_axis_order=xyz "
        f"cutout_subregion=[z=1:4,x=2:] pipeline_result_drange=(0,60000) export_drange=(0,255) "
        f"output_filename_format=[{tmp_path}/k]",
    )
    np.testing.assert_array_equal(np.load(report.outputs[0]).T, wanted())


def test_python_with_ranges_as_they_come(tmp_path, source):
    for i, ranges in enumerate(((0, 60000), [0.0, 60000.0], "(0,60000)", np.array([0, 60000]))):
        report = fb.export(
            source,
            **VALUES,
            cutout_subregion={"z": (1, 4), "x": (2, None)},
            pipeline_result_drange=ranges,
            export_drange=(0, 255),
            output_filename_format=f"{tmp_path}/p{i}",
        )
        np.testing.assert_array_equal(np.load(report.outputs[0]).T, wanted())


def test_another_workflow_is_another_verb(source, capsys):
    assert main(["export", source, "--workflow", "Pixel Classification"]) == 2
    assert "the verb ilastik" in capsys.readouterr().err


def test_every_format_is_in_the_help(capsys):
    assert main(["export", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for output in OUTPUTS.values():
        assert output.name in said
    for word in (
        *("bmp", "gif", "hdr", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "ras", "tif"),
        *("tiff", "xv", "multipage tiff"),
    ):
        assert word in OUTPUTS
        assert f"{word} sequence" in OUTPUTS
    for word in (
        *("hdf5", "compressed hdf5", "blockwise hdf5", "n5", "compressed n5", "numpy", "dvid"),
        *("single-scale ome-zarr", "multi-scale ome-zarr"),
    ):
        assert word in OUTPUTS


def test_golden_command_lines_run_without_compat_too(shared, tmp_path, capsys):
    for folder in sorted((shared / "golden/ilastik").glob("s0*")):
        case = json.loads((folder / "case.json").read_text())
        work = tmp_path / folder.name
        shutil.copytree(folder / "input", work)
        words = [word.replace("{CASE}", str(work)) for word in case["args"]]
        assert main(["export", *words]) == (0 if case["rc"] == 0 else 2), capsys.readouterr().err
