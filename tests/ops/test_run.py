"""What every verb does around its work: targets, records, skipping, dry runs, failures."""

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.ops import call, from_keys, run_verb

NAMES = ("a b_Results.tsv", "a b_RoiSet.zip", "a b_labels.tif")


def files(folder):
    """Return name -> bytes of all files but sidecars and records."""
    return {
        p.name: p.read_bytes()
        for p in sorted(folder.iterdir())
        if p.is_file() and not p.name.endswith(".json")
    }


def test_default_outputs_stand_beside_the_image(picture):
    report = run_verb("particles", input=picture, threshold="Otsu dark")
    folder = picture.parent
    assert set(files(folder)) == {"a b.tif", *NAMES}
    assert (folder / "a b_settings.json").is_file()
    assert [Path(p).name for p in report.outputs] == [*NAMES, "a b_settings.json"]
    count = report.to_json()["count"]
    assert count == len(fb.read_table(folder / NAMES[0])) == len(fb.read_rois(folder / NAMES[1]))
    assert count == len(fb.read_labels(folder / NAMES[2]).ids) > 2


def test_only_what_is_named_is_written(picture, tmp_path):
    run_verb("particles", input=picture, threshold="Otsu dark", table=tmp_path / "t.csv")
    assert set(files(picture.parent)) == {"a b.tif"}
    assert {p.name for p in tmp_path.iterdir()} - {"t.csv.fijibridge.json"} == {
        "in put",
        "t.csv",
        "a b_settings.json",
    }


def test_no_settings_leaves_no_record(picture, tmp_path):
    run_verb(
        "particles", input=picture, threshold="25,255", outdir=tmp_path / "out", no_settings=True
    )
    assert not list((tmp_path / "out").glob("*_settings.json"))


def test_an_existing_target_stops_before_anything_is_written(picture):
    folder = picture.parent
    (folder / NAMES[2]).write_bytes(b"mine")
    before = files(folder)
    with pytest.raises(SettingsError, match=r"labels\.tif' exists") as caught:
        run_verb("particles", input=picture, threshold="Otsu dark")
    assert "--overwrite" in caught.value.hint
    assert files(folder) == before
    run_verb("particles", input=picture, threshold="Otsu dark", overwrite=True)
    assert files(folder)[NAMES[2]] != b"mine"


def test_dry_run_writes_nothing(picture):
    before = files(picture.parent)
    report = run_verb("particles", input=picture, threshold="Otsu dark", dry_run=True)
    assert files(picture.parent) == before
    assert [Path(p).name for p in report.outputs] == list(NAMES)
    assert report.to_json()["dry_run"]


def test_run_repeats_byte_by_byte(picture, tmp_path):
    out = tmp_path / "out"
    run_verb(
        "particles",
        input=picture,
        threshold="Otsu dark",
        size="2-Infinity",
        measurements="all",
        outdir=out,
        exclude=True,
    )
    before = files(out)
    record = out / "a b_settings.json"
    with pytest.raises(SettingsError, match="exists"):
        run_verb("run", file=record)
    for name in before:
        (out / name).unlink()
    run_verb("run", file=record)
    assert files(out) == before
    run_verb("run", file=record, overwrite=True)
    assert files(out) == before


def test_a_record_holds_where_its_folder_is_moved(picture, tmp_path):
    run_verb("particles", input=picture, threshold="Otsu dark")
    before = files(picture.parent)
    moved = tmp_path / "elsewhere"
    shutil.copytree(picture.parent, moved)
    shutil.rmtree(picture.parent)
    run_verb("run", file=moved / "a b_settings.json", overwrite=True)
    assert files(moved) == before


def test_a_changed_source_is_noted(picture):
    run_verb("particles", input=picture, threshold="Otsu dark")
    record = picture.parent / "a b_settings.json"
    assert not run_verb("run", file=record, overwrite=True).notes
    os.utime(picture, ns=(1, 1))
    notes = run_verb("run", file=record, overwrite=True).notes
    assert notes == ("a b.tif has changed since it was recorded",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no settings file"),
        ('{"a": 1}', "it has no 'verb'"),
        ('{"verb": "particles", "settings": 3}', "is no object"),
        ('{"verb": "particles", "settings": {"sise": 1}}', "Did you mean 'size'?"),
        ('{"verb": "run", "settings": {"file": "x"}}', "would never end"),
        ('{"verb": "prticles"}', "Did you mean 'particles'?"),
    ],
)
def test_what_is_no_settings_file(text, said, tmp_path):
    (tmp_path / "x_settings.json").write_text(text)
    with pytest.raises((FormatError, SettingsError)) as caught:
        run_verb("run", file=tmp_path / "x_settings.json")
    assert said in str(caught.value)


def test_a_request_in_a_file_is_run(picture, tmp_path):
    out = tmp_path / "out"
    settings = {"input": str(picture), "threshold": "25,255", "outdir": str(out)}
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"verb": "particles", "settings": settings}))
    run_verb("run", file=request)
    assert set(files(out)) == set(NAMES)


def test_other_outputs_have_a_record_of_their_own(picture, tmp_path):
    out = tmp_path / "out"
    for what in ("table", "rois"):
        name = {"table": "t.tsv", "rois": "r.zip"}[what]
        run_verb("particles", input=picture, threshold="25,255", **{what: out / name})
    records = sorted(p.name for p in out.glob("*_settings.json"))
    assert records == ["a b_2_settings.json", "a b_settings.json"]


def test_the_record_says_what_was_done(picture):
    run_verb("particles", input=picture, threshold="Otsu dark")
    body = json.loads((picture.parent / "a b_settings.json").read_text())
    assert body["verb"] == "particles"
    assert body["fijibridge"] == fb.__version__
    assert body["settings"]["input"] == ["a b.tif"]
    assert body["settings"]["threshold"] == "Otsu dark"
    assert body["sources"][0]["size"] == picture.stat().st_size
    assert "numpy" in body["versions"]
    assert [made["path"] for made in body["outputs"]] == list(NAMES)


def test_skip_existing_skips_what_is_complete(picture):
    values = {"input": picture, "threshold": "Otsu dark", "skip_existing": True}
    assert not run_verb("particles", **values).skipped
    before = {p.name: p.stat().st_mtime_ns for p in picture.parent.iterdir()}
    assert run_verb("particles", **values).skipped == (str(picture),)
    assert {p.name: p.stat().st_mtime_ns for p in picture.parent.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("settings", "made with other settings"),
        ("source", "the source has changed"),
        ("output", "changed since they were made"),
        ("gone", "is missing"),
        ("record", "no record"),
    ],
)
def test_skip_existing_refuses_what_is_not_the_same(picture, change, said):
    values = {"input": picture, "threshold": "Otsu dark", "skip_existing": True}
    run_verb("particles", **values)
    folder = picture.parent
    if change == "settings":
        values["size"] = "9-Infinity"
    elif change == "source":
        os.utime(picture, ns=(1, 1))
    elif change == "output":
        (folder / NAMES[0]).write_text("other")
    elif change == "gone":
        (folder / NAMES[0]).unlink()
    else:
        (folder / "a b_settings.json").unlink()
    with pytest.raises(SettingsError, match=said):
        run_verb("particles", **values)


def test_two_outputs_on_one_path_are_refused(picture, tmp_path):
    with pytest.raises(SettingsError, match="Two outputs have the one path"):
        run_verb(
            "particles",
            input=picture,
            threshold="25,255",
            labels=tmp_path / "x.tif",
            drawing=tmp_path / "sub" / ".." / "x.tif",
            show="Masks",
        )


def test_inputs_of_one_name_do_not_share_an_output(picture, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(picture, other / picture.name)
    with pytest.raises(SettingsError, match="Two outputs have the one path"):
        run_verb(
            "particles",
            input=[picture, other / picture.name],
            threshold="25,255",
            outdir=tmp_path / "out",
        )
    with pytest.raises(SettingsError, match=r"put \{name\} into the path|Two outputs") as caught:
        run_verb("particles", input=[picture, picture], threshold="25,255", rois=tmp_path / "r.zip")
    assert "{name}" in caught.value.hint


def test_the_target_is_never_an_input(picture):
    with pytest.raises(SettingsError, match="is also an input"):
        run_verb("particles", input=picture, threshold="25,255", labels=picture, overwrite=True)


def test_an_unwritable_target(picture, tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(stat.S_IRUSR | stat.S_IXUSR)
    if os.access(closed, os.W_OK):  # the administrator may write everywhere
        monkeypatch.setattr(os, "access", lambda path, _mode: str(path) != str(closed))
    with pytest.raises(SettingsError, match="no permission"):
        run_verb("particles", input=picture, threshold="25,255", outdir=closed)
    assert list(closed.iterdir()) == []


def test_a_file_in_the_way_of_a_folder(picture, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="which is a file"):
        run_verb("particles", input=picture, threshold="25,255", outdir=tmp_path / "file" / "d")


def test_a_full_disk_leaves_nothing_behind(picture, tmp_path):
    pytest.importorskip("resource")
    out = tmp_path / "out"
    code = f"""
        import resource, signal, sys
        from fijibridge.cli import main
        import numpy, fijibridge.measure.particles, fijibridge.formats as f
        f.all_formats()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        argv = ["particles", {str(picture)!r}, "--threshold", "25,255"]
        assert main([*argv, "--outdir", {str(tmp_path / "warm")!r}, "--quiet"]) == 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        sys.exit(main([*argv, "--outdir", {str(out)!r}]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "could not be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (OSError(errno.EFBIG, "File too large"), "no room on the disk"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_no_room_for_what_is_no_target(picture, tmp_path, monkeypatch, problem, said):
    """Such as what is compiled at the first use."""

    def full(*_):
        raise problem

    monkeypatch.setattr("fijibridge.ops._run._noting", full)
    with pytest.raises(SettingsError, match=said):
        run_verb("particles", input=[picture], threshold="25,255", outdir=tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_a_folder_that_cannot_be_made(picture, capsys):
    if not Path("/proc/self").exists():
        pytest.skip("there is no folder here in which nobody can write")
    assert main(["particles", str(picture), "--threshold", "25,255", "--outdir", "/proc/x/y"]) == 2
    assert "/proc/x/y/" in capsys.readouterr().err


def test_one_bad_file_does_not_stop_the_others(picture, tmp_path):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"II*\0 nothing")
    report = run_verb(
        "particles",
        input=[picture, bad, tmp_path / "gone.tif"],
        threshold="25,255",
        outdir=tmp_path / "out",
    )
    assert [title for title, _ in report.failures] == [str(bad), str(tmp_path / "gone.tif")]
    assert report.exit_code == 3
    body = report.to_json()
    assert not body["ok"]
    assert body["error"]["type"] == "FormatError"
    assert (tmp_path / "out" / NAMES[0]).is_file()
    assert fb.read_table(tmp_path / "out" / "Combined_Results.tsv").headings[0] == "Image"


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({"input": "gone.tif"}, FormatError, "There is no file 'gone.tif'"),
        ({}, SettingsError, "No image is named"),
        ({"input": "x_*.tif"}, FormatError, "No file matches 'x_*.tif'"),
        ({"input": "a.tif", "threshold": "Otso"}, SettingsError, "Did you mean 'Otsu'?"),
        ({"input": "a.tif", "measurements": "aria"}, SettingsError, "Did you mean 'area'?"),
        ({"input": "a.tif", "select": "circle:1,2,3,4"}, SettingsError, "is no shape"),
        ({"input": "a.tif", "select": "rect:1,2,3"}, SettingsError, "has X,Y,WIDTH,HEIGHT"),
        ({"input": "a.tif", "select": "polygon:1,2,3,4"}, SettingsError, "three or more pairs"),
        ({"input": "a.tif", "drawing": "d.tif"}, SettingsError, "show does not say what"),
        ({"input": "a.tif", "table": "t.tif"}, UnsupportedError, "holds no tables"),
        ({"input": "a.tif", "table": "t"}, SettingsError, "no suffix"),
        ({"input": "a.tif", "role": "labels", "threshold": "1,2"}, SettingsError, "no threshold"),
        ({"input": "a.tif", "options": "exclud"}, SettingsError, "Did you mean 'exclude'?"),
    ],
)
def test_wrong_settings_are_told_before_pixels_are_read(values, error, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tif").write_bytes(b"not read")
    with pytest.raises(error) as caught:
        run_verb("particles", **values)
    assert said in str(caught.value)


@pytest.mark.parametrize("verb", ["particles", "convert", "measure", "run", "info", "validate"])
def test_a_missing_input_is_exit_three_through_every_door(verb, tmp_path):
    gone = tmp_path / "gone.json"
    values = {"convert": {"output": "x.tif"}, "measure": {"image": str(gone)}}.get(verb, {})
    first = {"measure": "objects", "run": "file"}.get(verb, "input")
    request = {"verb": verb, "settings": {first: str(gone), **values}}
    answer = json.loads(call(json.dumps(request)))
    assert answer["error"]["type"] == "FormatError"
    assert "gone.json" in answer["error"]["message"]
    with pytest.raises(FormatError):
        run_verb(verb, **{first: gone}, **values)
    words = [verb, str(gone), *(["x.tif"] if verb == "convert" else [])]
    words += ["--image", str(gone)] if verb == "measure" else []
    assert main(words) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "one JSON object"),
        ('{"verb": "particle"}', "Did you mean 'particles'?"),
        ('{"settings": {}}', "needs the key 'verb'"),
        ('{"verb": "info", "setings": {}}', "Did you mean 'settings'?"),
        ('{"verb": "info", "settings": []}', "one JSON object"),
        ('{"verb": "particles", "settings": {"size": [1, Infinity]}}', "bare Infinity"),
        ('{"verb": "particles", "settings": {"sise": "1-2"}}', "Did you mean 'size'?"),
        ('{"verb": "particles", "settings": {"host": 1}}', "no setting 'host'"),
    ],
)
def test_requests_that_are_wrong(text, said):
    answer = json.loads(call(text))
    assert answer["ok"] is False
    assert said in answer["error"]["message"]
    assert set(answer["error"]) == {"type", "message", "hint"}


def test_macro_keys_are_a_door_too(picture, tmp_path):
    out = tmp_path / "out"
    report = from_keys(
        "particles", f"input=[{picture}] threshold=[Otsu dark] outdir=[{out}] exclude"
    )
    assert report.to_json()["ok"]
    assert set(files(out)) == set(NAMES)


def test_a_stack_of_files_is_one_volume(tmp_path):
    for n in (1, 2, 10):
        plane = np.zeros((12, 14), np.uint8)
        plane[2:5, n : n + 3] = 255
        fb.write_image(fb.Image.from_array(plane, "yx"), tmp_path / f"t{n}.tif")
    report = run_verb(
        "particles",
        input=str(tmp_path / "t*.tif"),
        stack=True,
        measurements="area bounding stack display",
    )
    table = fb.read_table(tmp_path / "t_Results.tsv")
    assert report.to_json()["count"] == 3
    assert table["BX"].tolist() == [1, 2, 10]  # t2 before t10
    assert [label.rsplit(":")[-1] for label in table["Label"]] == ["t1", "t2", "t10"]


def test_files_of_a_stack_must_fit(tmp_path):
    for n, size in ((1, 5), (2, 6)):
        fb.write_image(
            fb.Image.from_array(np.zeros((size, 5), np.uint8), "yx"), tmp_path / f"t{n}.tif"
        )
    with pytest.raises(FormatError, match="a stack has one size and type"):
        run_verb("particles", input=str(tmp_path / "t*.tif"))


def test_errors_are_told_the_same_through_every_door(picture):
    settings = {"input": str(picture), "sise": "1-2"}
    with pytest.raises(FijiBridgeError) as caught:
        run_verb("particles", **settings)
    answer = json.loads(call(json.dumps({"verb": "particles", "settings": settings})))
    assert answer["error"]["message"] == caught.value.message
    assert answer["error"]["hint"] == caught.value.hint
