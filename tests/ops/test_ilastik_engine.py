"""``--engine``: the user's ilastik, played by a small stand-in, for workflows not native here."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.export.settings import ExportSettings
from fijibridge.model import Image
from fijibridge.ops._ilastik_engine import run_ilastik
from fijibridge.ops._ilastik_words import IlastikSettings
from projects.make_ilp import simple
from projects.make_objects import ObjectIlp

STAND_IN = Path(__file__).with_name("ilastik_stand_in.py")
RESULT = np.arange(20 * 30, dtype=np.uint32).reshape(20, 30, 1) % 7


def run(*words) -> int:
    return main(["ilastik", *map(str, words)])


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.delenv("ILASTIK_EXECUTABLE", raising=False)
    monkeypatch.delenv("STAND_IN", raising=False)
    path = tmp_path / "ilastik-9" / "run_ilastik.sh"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def multicut(tmp_path):
    return simple(workflow="Edge Training With Multicut").write(tmp_path / "p.ilp")


@pytest.fixture
def image(tmp_path):
    fb.write_image(Image.from_array(np.zeros((20, 30), np.uint8), "yx"), tmp_path / "cells.tif")
    return tmp_path / "cells.tif"


@pytest.mark.parametrize("how", ["argument", "folder", "variable", "path", "home"])
def test_it_is_found(program, multicut, image, tmp_path, monkeypatch, how, capsys):
    words = []
    if how in ("argument", "folder"):
        words = ["--ilastik_executable", program if how == "argument" else program.parent]
    elif how == "variable":
        monkeypatch.setenv("ILASTIK_EXECUTABLE", str(program))
    elif how == "path":
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    else:
        monkeypatch.setenv("HOME", str(tmp_path))
    out = tmp_path / "o.npy"
    before = set(Path(tempfile.gettempdir()).glob("fijibridge-ilastik-*"))
    words += ["--output_filename_format", out, "--log", tmp_path / "log.txt"][:2]
    assert run("--project", multicut, image, *words, "--jobs=1") == 0
    np.testing.assert_array_equal(np.load(out), RESULT)
    said = capsys.readouterr()
    assert "ilastik: INFO done" in said.err
    assert "threads 1" in said.err
    assert "ilastik itself computed this" in said.out + said.err
    assert set(Path(tempfile.gettempdir()).glob("fijibridge-ilastik-*")) <= before


def test_what_it_wrote_is_exported_by_our_engine(program, multicut, image, tmp_path):
    out = tmp_path / "{nickname}_{result_type}.tif"
    code = run(
        *("--project", multicut, "--raw_data", image, "--probabilities", image, "--quiet"),
        *("--ilastik_executable", program, "--output_filename_format", out),
        *("--cutout_subregion", "y=2:9,x=3:11", "--export_dtype=uint8"),
        *("--logfile", tmp_path / "log.txt"),
    )
    assert code == 0
    found = fb.read_image(tmp_path / "cells_Multicut Segmentation.tif")
    np.testing.assert_array_equal(found.data.squeeze(), RESULT[2:9, 3:11, 0])
    assert found.dtype == np.uint8
    assert "INFO done" in (tmp_path / "log.txt").read_text()


def test_counts(program, image, tmp_path):
    project = simple(workflow="Cell Density Counting").write(tmp_path / "p.ilp")
    words = (
        *("--project", project, image, "--ilastik_executable", program, "--quiet"),
        *("--csv-export-file", tmp_path / "n.csv", "--output_format=numpy"),
    )
    assert run(*words) == 0
    assert (tmp_path / "n.csv").read_text() == f"cells,{RESULT.sum()}\n"
    assert (tmp_path / "cells_Probabilities.npy").exists()
    assert run(*words) != 0
    assert run(*words, "--overwrite") == 0


def test_plug_ins_write_themselves(program, image, tmp_path):
    project = simple(workflow="Automatic Tracking Workflow (Conservation Tracking)").write(
        tmp_path / "p.ilp"
    )
    words = ("--project", project, image, "--ilastik_executable", program, "--quiet")
    assert run(*words, "--export_source=Plugin") != 0
    assert run(*words, "--export_source=Plugin", "--export_plugin=CSV-Table") == 0
    assert len(fb.read_tracks(tmp_path / "cells_CSV-Table.csv").list) == 3


@pytest.mark.parametrize("name", ["trackmate", "JSON", "h5-event-sequence", "geff"])
def test_layouts_that_ilastik_has_not(program, tmp_path, name, capsys):
    project = simple(workflow="Automatic Tracking Workflow (Conservation Tracking)").write(
        tmp_path / "p.ilp"
    )
    raw = np.random.default_rng(0).integers(0, 250, (2, 20, 30)).astype(np.uint8)
    for one in ("a", "b"):
        fb.write_image(Image.from_array(raw, "tyx"), tmp_path / f"{one}.h5/data")
    words = ("--project", project, tmp_path / "a.h5/data", tmp_path / "b.h5/data", "--quiet")
    words += ("--ilastik_executable", program)
    words += ("--export_source=Plugin", "--export_plugin", name)
    assert run(*words, "--dry-run") == 0
    assert not list(tmp_path.glob("*_Plugin*"))
    assert run(*words, "--output_filename_format", tmp_path / "o") != 0
    assert "Put {nickname}" in capsys.readouterr().err
    assert run(*words, "--output_filename_format", tmp_path / "{nickname}_x") == 0
    for one in ("a", "b"):
        found = [p for p in tmp_path.glob(f"{one}-data_x*") if "_settings" not in p.name]
        path = next((p for p in found if "graph" not in p.name), found[0])
        tracks = fb.read_tracks(path)
        assert int((tracks.children > 1).sum()) == 1
        assert len(tracks.list) == 3
    assert run(*words, "--output_filename_format", tmp_path / "{nickname}_x") != 0
    assert "exists" in capsys.readouterr().err
    assert run(*words, "--output_filename_format", tmp_path / "{nickname}_x", "--overwrite") == 0


def test_auto_takes_it_for_what_is_not_supported(program, image, tmp_path, capsys):
    """Object features that are not computed here, and nothing else."""
    hull = ObjectIlp("pixels", plugins={"2D Convex Hull Features": ("Convexity",)})
    project = hull.write(tmp_path / "h.ilp")
    words = ("--project", project, image, "--output_format=numpy", "--quiet")
    assert run(*words, "--engine=native") != 0
    assert "Convexity" in capsys.readouterr().err
    assert run(*words, "--ilastik_executable", program) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "cells_Object Predictions.npy"), RESULT)
    big = tmp_path / "big.tif"
    fb.write_image(Image.from_array(np.zeros((60, 60), np.uint8), "yx"), big)
    plain = simple().write(tmp_path / "plain.ilp")
    assert (
        run("--project", plain, big, "--output_format=numpy", "--ilastik_executable", program) == 0
    )
    assert np.load(tmp_path / "big_Probabilities.npy").shape == (60, 60, 2)
    assert "INFO done" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("fails", "code 1. It said"),
        ("forgets", "wrote no result"),
        ("breaks", "cannot be read"),
    ],
)
def test_when_it_goes_wrong(program, multicut, image, monkeypatch, capsys, mode, said):
    monkeypatch.setenv("STAND_IN", mode)
    assert run("--project", multicut, image, "--ilastik_executable", program, "--quiet") != 0
    text = " ".join(capsys.readouterr().err.split())
    assert said in text
    if mode == "fails":
        assert "no classifier" in text


def test_without_one_it_says_what_is_needed(multicut, image, tmp_path, monkeypatch, capsys):
    for name, value in {"PATH": "/nowhere", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ILASTIK_EXECUTABLE", raising=False)
    assert run("--project", multicut, image) != 0
    text = capsys.readouterr().err
    for word in ("Edge Training With Multicut", "Object Classification", "ILASTIK_EXECUTABLE"):
        assert word in text
    assert run("--project", multicut, image, "--engine=executable") != 0
    assert "none was found" in capsys.readouterr().err
    assert run("--project", multicut, image, "--ilastik_executable=/nowhere") != 0
    assert "is no program" in capsys.readouterr().err


def test_a_dry_run_starts_nothing(program, multicut, image, capsys, monkeypatch):
    monkeypatch.setenv("STAND_IN", "fails")
    words = ("--project", multicut, image, "--ilastik_executable", program, "--dry-run")
    assert run(*words) == 0
    assert "--headless" in capsys.readouterr().out


def test_images_in_memory(program, multicut):
    settings = IlastikSettings(project=str(multicut))
    image = Image.from_array(np.zeros((20, 30), np.uint8), "yx")
    (made,) = run_ilastik(str(program), settings, [image], quiet=True)
    source = made.open_result(ExportSettings())
    assert source.spec.shape == (20, 30, 1)
    source.close()
