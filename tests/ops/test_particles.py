"""particles through its doors: the same numbers, names and bytes everywhere."""

import json
import math
import zipfile

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.errors import SettingsError
from fijibridge.ops import call, run_verb


def blobs(seed: int = 1, size: int = 96) -> np.ndarray:
    """Return (y, x) uint8: discs on a dim background, as in the fixture `picture`."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    image = random.integers(5, 20, (size, size))
    for _ in range(9):
        y, x = random.integers(0, size, 2)
        r = random.integers(3, 9)
        image[(rows - y) ** 2 + (columns - x) ** 2 <= r * r] = random.integers(120, 250)
    return image.astype(np.uint8)


WORDS = "area mean standard modal min centroid center perimeter bounding fit shape feret's median"


def contents(folder):
    """Return what the files of a folder hold, by what they are."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                found["rois"] = [(e.filename, archive.read(e)) for e in archive.infolist()]
        elif path.suffix == ".tsv":
            found[path.name.rsplit("_")[-1]] = path.read_bytes()
        elif path.name.endswith("_labels.tif"):
            found["labels"] = fb.read_image(path).data.tolist()
    return found


def test_three_doors_one_result(picture, tmp_path):
    settings = {
        "threshold": "Otsu dark",
        "size": "2-Infinity",
        "circularity": "0.2-1",
        "exclude": True,
        "measurements": WORDS,
        "decimal": 4,
    }
    doors = {name: tmp_path / name for name in ("cli", "json", "python", "function")}
    flags = [f"--{name}={value}" for name, value in settings.items() if value is not True]
    words = ["particles", str(picture), *flags, "--exclude", "--outdir", str(doors["cli"])]
    assert main([*words, "--quiet"]) == 0
    request = {**settings, "input": [str(picture)], "outdir": str(doors["json"])}
    answer = json.loads(call(json.dumps({"verb": "particles", "settings": request})))
    assert answer["ok"]
    run_verb("particles", input=picture, outdir=doors["python"], **settings)
    result = fb.analyze_particles(
        picture,
        threshold="Otsu dark",
        size=(2, math.inf),
        circularity=(0.2, 1),
        exclude=True,
        measurements=WORDS.split(),
        decimal=4,
    )
    doors["function"].mkdir()
    fb.write_table(result.table, doors["function"] / "a b_Results.tsv")
    fb.write_rois(result.rois, doors["function"] / "a b_RoiSet.zip")
    fb.write_labels(result.labels, doors["function"] / "a b_labels.tif")
    first = contents(doors["cli"])
    assert set(first) == {"Results.tsv", "rois", "labels"}
    for folder in doors.values():
        assert contents(folder) == first
    assert answer["report"]["count"] == len(result.table) > 2


def test_the_report_is_one_json_object(picture, tmp_path, capsys):
    words = ["particles", str(picture), "--threshold=25,255", f"--outdir={tmp_path / 'o'}"]
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    body = json.loads(said.out)
    assert body["ok"]
    assert body["count"] == body["jobs"][0]["count"]
    assert body["threshold"] == [25.0, 255.0]
    assert len(body["outputs"]) == 4
    assert said.err == ""


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"size": "3-Infinity", "exclude": True}, "size=3-Infinity exclude clear add"),
        ({"include": True, "record": True}, "include record display"),
        ({"pixel_units": True, "size": "4-90"}, "size=4-90 pixel"),
        ({"four": True}, "four_connected"),
        ({"composite": True, "circularity": "0.5-1"}, "circularity=0.50-1.00 composite"),
    ],
)
def test_a_recorded_line_equals_the_flags(picture, flags, line):
    common = {"threshold": "25,255", "measurements": "area bounding"}
    flagged = fb.analyze_particles(picture, **common, **flags)
    recorded = fb.analyze_particles(picture, **common, options=line)
    assert flagged.rois.names == recorded.rois.names
    for heading in flagged.table.headings:
        assert np.array_equal(flagged.table[heading], recorded.table[heading])
    assert np.array_equal(flagged.labels.data, recorded.labels.data)


def test_flag_and_line_may_not_contradict(picture):
    with pytest.raises(SettingsError, match="size is given twice"):
        fb.analyze_particles(picture, threshold=(25, 255), size="1-2", options="size=1-3")


def test_the_words_for_windows_are_explained(picture, tmp_path):
    report = run_verb(
        "particles",
        input=picture,
        threshold="25,255",
        options="show=Masks display clear add in_situ",
        table=tmp_path / "t.tsv",
    )
    notes = " ".join(report.to_json()["notes"])
    for part in ("clear:", "display:", "add:", "in_situ:", "name its file with --drawing"):
        assert part in notes


def test_summarize_adds_the_summary(picture, tmp_path):
    run_verb(
        "particles",
        input=picture,
        threshold="25,255",
        options="summarize",
        outdir=tmp_path / "o",
    )
    assert fb.read_table(tmp_path / "o" / "a b_Summary.tsv").headings[:3] == (
        "Slice",
        "Count",
        "Total Area",
    )


def test_an_array_needs_axes_only_when_they_are_not_clear():
    data = blobs()
    result = fb.analyze_particles(data, threshold=(25, 255))
    assert len(result.table) > 2
    stack = np.stack([data, data])
    with pytest.raises(SettingsError, match="3 dimensions needs axes="):
        fb.analyze_particles(stack, threshold=(25, 255))
    assert len(fb.analyze_particles(stack, axes="zyx", threshold=(25, 255), stack=True).table) == (
        2 * len(result.table)
    )
    with pytest.raises(SettingsError, match="is a path, an Image or an array, not dict"):
        fb.analyze_particles({}, threshold=(25, 255))


def test_zarr_and_dask_arrays_are_taken():
    zarr = pytest.importorskip("zarr")
    da = pytest.importorskip("dask.array")
    data = blobs()
    stored = zarr.array(data)
    wanted = fb.analyze_particles(data, threshold=(25, 255)).table["Area"]
    for array in (stored, da.from_array(data)):
        found = fb.analyze_particles(array, axes="yx", threshold=(25, 255)).table["Area"]
        assert np.array_equal(found, wanted)


def test_label_images_are_objects_as_they_are(mask, tmp_path):
    report = run_verb("particles", input=mask, role="labels", outdir=tmp_path / "o")
    assert report.to_json()["count"] == 5
    table = fb.read_table(tmp_path / "o" / "mask_Results.tsv")
    assert sorted(table.object_ids[:, 1]) == [1, 4, 7, 9, 300]


def test_a_selection_as_text_value_or_file(picture, tmp_path):
    roi = fb.Roi(kind="rectangle", bounds=(10.0, 12.0, 50.0, 40.0), name="s")
    fb.write_rois(fb.RoiSet([roi]), tmp_path / "s.roi")
    common = {"threshold": (25, 255), "measurements": "area bounding"}
    tables = [
        fb.analyze_particles(picture, select=select, **common).table
        for select in ("rect:10,12,50,40", roi, tmp_path / "s.roi")
    ]
    whole = fb.analyze_particles(picture, **common).table
    for table in tables:
        assert np.array_equal(table["Area"], tables[0]["Area"])
    assert tables[0]["Area"].sum() < whole["Area"].sum()


def test_redirect_measures_the_other_image(picture, tmp_path):
    other = fb.Image.from_array(np.full((96, 96), 7, np.uint8), "yx", name="seven.tif")
    fb.write_image(other, tmp_path / "seven.tif")
    for redirect in (other, tmp_path / "seven.tif"):
        table = fb.analyze_particles(picture, threshold=(25, 255), redirect=redirect).table
        assert set(table["Mean"]) == {7.0}


def test_one_plane_of_a_stack_is_told(tmp_path):
    fb.write_image(fb.Image.from_array(np.stack([blobs(), blobs(2)]), "zyx"), tmp_path / "s.tif")
    report = run_verb("particles", input=tmp_path / "s.tif", threshold="25,255")
    assert "plane 1 of 2 was analyzed; --stack" in report.to_json()["notes"][0]
    second = fb.analyze_particles(tmp_path / "s.tif", threshold=(25, 255), slice=2)
    alone = fb.analyze_particles(blobs(2), threshold=(25, 255))
    assert np.array_equal(second.table["Area"], alone.table["Area"])


def test_several_images_give_one_combined_table(tmp_path):
    for n in (1, 2):
        fb.write_image(fb.Image.from_array(blobs(n), "yx"), tmp_path / f"t{n}.tif")
    pattern = str(tmp_path / "t?.tif")
    run_verb("particles", each=pattern, threshold="25,255", table=tmp_path / "all.tsv")
    table = fb.read_table(tmp_path / "all.tsv")
    parts = [fb.analyze_particles(blobs(n), threshold=(25, 255)).table for n in (1, 2)]
    assert table.headings == ("Image", *parts[0].headings)
    assert table["Image"].tolist() == ["t1.tif"] * len(parts[0]) + ["t2.tif"] * len(parts[1])
    assert table["Area"].tolist() == [*parts[0]["Area"], *parts[1]["Area"]]
    assert not (tmp_path / "t1_Results.tsv").exists()


def test_several_images_give_one_set_each(tmp_path):
    for n in (1, 2):
        fb.write_image(fb.Image.from_array(blobs(n), "yx"), tmp_path / f"t{n}.tif")
    out = tmp_path / "out"
    inputs = [tmp_path / "t1.tif", tmp_path / "t2.tif"]
    run_verb("particles", input=inputs, threshold="25,255", outdir=out)
    names = {p.name for p in out.iterdir()}
    for n in (1, 2):
        assert {
            f"t{n}_Results.tsv",
            f"t{n}_RoiSet.zip",
            f"t{n}_labels.tif",
            f"t{n}_overlay.png",
            f"t{n}_settings.json",
        } <= names
    assert "Combined_Results.tsv" in names
    report = run_verb("particles", input=inputs, threshold="25,255", outdir=out, skip_existing=True)
    assert len(report.skipped) == 3
    # one of them is made again from its own record
    before = (out / "t2_Results.tsv").read_bytes()
    (out / "t2_Results.tsv").unlink()
    run_verb("run", file=out / "t2_settings.json", overwrite=True)
    assert (out / "t2_Results.tsv").read_bytes() == before


@pytest.mark.parametrize(
    "show", ["Outlines", "Bare Outlines", "Ellipses", "Masks", "Count Masks", "Overlay Masks"]
)
def test_what_show_names_is_drawn(picture, tmp_path, show):
    run_verb("particles", input=picture, threshold="25,255", show=show, drawing=tmp_path / "d.tif")
    drawn = fb.read_image(tmp_path / "d.tif")
    assert drawn.axes.size("x") == 96
    assert len(np.unique(drawn.data)) > 1


def test_an_overlay_picture(picture, tmp_path):
    run_verb("particles", input=picture, threshold="25,255", overlay=tmp_path / "o.png")
    assert fb.read_image(tmp_path / "o.png").axes.size("c") == 3


def test_volumes(tmp_path):
    volume = np.zeros((6, 20, 20), np.uint8)
    volume[1:4, 2:6, 2:6] = 255
    volume[3:6, 10:14, 10:14] = 255
    fb.write_image(fb.Image.from_array(volume, "zyx"), tmp_path / "v.tif")
    report = run_verb(
        "particles", input=tmp_path / "v.tif", connectivity="3d", table=tmp_path / "v.tsv"
    )
    assert report.to_json()["count"] == 2


def test_an_empty_image_and_one_without_objects(tmp_path):
    fb.write_image(fb.Image.from_array(np.zeros((8, 8), np.uint8), "yx"), tmp_path / "z.tif")
    report = run_verb("particles", input=tmp_path / "z.tif", threshold="1,255")
    assert report.to_json()["count"] == 0
    assert fb.read_labels(tmp_path / "z_labels.tif").data.max() == 0
    with pytest.raises(SettingsError):
        fb.analyze_particles(np.zeros((0, 5), np.uint8), threshold="Otsu dark")


def test_the_function_writes_no_files(picture):
    with pytest.raises(SettingsError, match="it returns values"):
        fb.analyze_particles(picture, threshold=(1, 255), table="x.tsv")
    with pytest.raises(SettingsError, match="Did you mean 'size'"):
        fb.analyze_particles(picture, sise=(1, 2))


class Window:
    """A host that remembers what it was shown."""

    def __init__(self, image, ends=None, roi=None):
        self.image, self.ends, self.roi = image, ends, roi
        self.shown = {}

    def active_image(self):
        return self.image

    def selection(self):
        return self.roi

    def threshold(self):
        return self.ends

    def show_image(self, image):
        self.shown["image"] = image

    def show_table(self, table):
        self.shown["table"] = table

    def show_rois(self, rois):
        self.shown["rois"] = rois


def test_the_active_image_of_a_host(tmp_path):
    image = fb.Image.from_array(blobs(), "yx", name="open.tif")
    host = Window(image, ends=(25.0, 255.0))
    report = run_verb("particles", host=host, size="3-Infinity")
    wanted = fb.analyze_particles(blobs(), threshold=(25, 255), size=(3, math.inf))
    assert np.array_equal(host.shown["table"]["Area"], wanted.table["Area"])
    assert set(host.shown) == {"table", "rois", "image"}
    assert report.outputs == ()
    host = Window(image, ends=(25.0, 255.0))
    run_verb("particles", host=host, outdir=tmp_path / "o")
    assert not host.shown
    assert (tmp_path / "o" / "open_Results.tsv").is_file()
    with pytest.raises(SettingsError, match="No image is open"):
        run_verb("particles", host=Window(None))


GOLDEN_FLAGS = ("exclude", "include", "four", "composite", "record", "stack", "pixel_units")


def golden_flags(case):
    """Return the command line of a golden case."""
    o = json.loads((case / "options.json").read_text())
    words = [str(case / o["input"])]
    threshold = o["threshold"]
    if threshold is not None:
        text = threshold if isinstance(threshold, str) else ",".join(map(str, threshold))
        words.append(f"--threshold={text}")
    if not o["black_background"]:
        words.append("--white_background")
    words += ["--size", "{}-{}".format(*o["size"]), "--circularity={}-{}".format(*o["circularity"])]
    words += [f"--{flag}" for flag in GOLDEN_FLAGS if o.get(flag)]
    if "roi" in o:
        words.append(f"--select={o['roi'][0]}:{','.join(map(str, o['roi'][1:]))}")
    if "redirect" in o:
        words.append(f"--redirect={case / o['redirect']}")
    words += ["--measurements", " ".join(o["measurements"]), f"--decimal={o['decimal']}"]
    return [*words, "--label-limit=65535"], o


def test_golden_cases_on_the_command_line(shared, tmp_path):
    cases = sorted((shared / "golden" / "imagej").glob("s*"))
    wrong = []
    for case in cases:
        words, o = golden_flags(case)
        out = tmp_path / case.name
        words += [f"--table={out / 'results.csv'}", f"--rois={out / 'rois.zip'}"]
        words += [f"--labels={out / 'labels.tif'}", "--quiet"]
        words += [f"--summary={out / 'summary.csv'}"] if o.get("summarize") else []
        if o["show"] != "Count Masks":
            words += [f"--show={o['show']}", f"--drawing={out / 'drawing.tif'}"]
        assert main(["particles", *words]) == 0
        wrong += [f"{case.name}: {name}" for name in differences(case, out)]
    assert len(cases) == 35
    assert wrong == []


def differences(case, out):
    """Yield the names of what is not as ImageJ made it."""
    for name in ("results.csv", "summary.csv"):
        if (case / name).exists() and (case / name).read_bytes() != (out / name).read_bytes():
            yield name
    if (case / "rois.zip").exists():
        with zipfile.ZipFile(case / "rois.zip") as a, zipfile.ZipFile(out / "rois.zip") as b:
            if [(e.filename, a.read(e)) for e in a.infolist()] != [
                (e.filename, b.read(e)) for e in b.infolist()
            ]:
                yield "rois.zip"
    for name in ("labels.tif", "drawing.tif"):
        if (case / name).exists():
            theirs, ours = fb.read_image(case / name).data, fb.read_image(out / name).data
            if theirs.shape != ours.shape or not np.array_equal(theirs, ours):
                yield name


def test_a_recorded_set_measurements_line(picture):
    common = {"threshold": (25, 255)}
    line = "area mean shape display redirect=None decimal=5"
    recorded = fb.analyze_particles(picture, measurements=line, **common).table
    said = fb.analyze_particles(
        picture, measurements=("area", "mean", "circularity", "display"), decimal=5, **common
    ).table
    assert recorded.headings == said.headings
    assert recorded.style == said.style
    with pytest.raises(SettingsError, match="--redirect FILE"):
        fb.analyze_particles(picture, measurements="area redirect=blobs.tif", **common)


def test_the_summary_adds_area_only_where_imagej_does(picture, tmp_path):
    result = fb.analyze_particles(picture, threshold=(25, 255), measurements="mean")
    assert result.table.headings == ("Mean",)
    assert result.summary is not None
    for more in ({"summary": tmp_path / "s.csv"}, {"options": "summarize"}):
        target = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        run_verb(
            "particles",
            input=picture,
            threshold="25,255",
            measurements="mean",
            table=target,
            **more,
        )
        assert fb.read_table(target).headings == ("Area", "Mean")


@pytest.mark.parametrize("threshold", ["25,255", "Otsu dark", "Otsu dark stack"])
def test_large_files_are_read_piece_by_piece_with_equal_results(tmp_path, monkeypatch, threshold):
    from fijibridge.measure import streaming
    from fijibridge.ops import _particles_core

    stack = np.stack([blobs(1), blobs(2), blobs(3)])
    fb.write_image(fb.Image.from_array(stack, "zyx"), tmp_path / "s.tif")
    for how in ({"stack": True}, {"slice": 2}):
        folder = "stack" if "stack" in how else "slice"
        run = {
            "threshold": threshold,
            "measurements": WORDS,
            "unit": "um",
            "pixel_size": 0.5,
            **how,
        }
        run_verb("particles", input=tmp_path / "s.tif", outdir=tmp_path / folder, **run)
        with monkeypatch.context() as patch:
            patch.setattr(_particles_core, "LARGE", 0)
            patch.setattr(streaming, "STRIP_BYTES", 96 * 16)
            other = tmp_path / f"{folder} strips"
            run_verb("particles", input=tmp_path / "s.tif", outdir=other, **run)
            run_verb(
                "particles",
                input=tmp_path / "s.tif",
                overlay=other / "o.png",
                slice=1,
                threshold="9,255",
            )
        assert contents(other) == contents(tmp_path / folder)
