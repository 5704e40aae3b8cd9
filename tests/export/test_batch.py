"""Batches: recipes in one read, patterns inside files, deletion, the page, the summary."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.errors import FormatError, SettingsError
from fijibridge.export.batch import Item, plan_batch, plan_one, run_items
from fijibridge.export.progress import Meter
from fijibridge.export.report import summary_table
from fijibridge.export.settings import ExportSettings


@pytest.fixture
def volume(tmp_path):
    data = np.random.default_rng(2).integers(0, 4000, (9, 50, 60), np.uint16)
    fb.write_image(fb.Image.from_array(data, "zyx"), tmp_path / "a.h5")
    return tmp_path / "a.h5", data


class Counting:
    """A source that counts how often each pixel is read."""

    def __init__(self, image):
        self._image = image
        self.spec = image.spec
        self.chunks = (4, 16, 16)
        self.reads = np.zeros(image.shape, int)

    def read(self, region):
        self.reads[region.slices] += 1
        return self._image.read(region)

    def close(self):
        return


PRODUCTS = (
    {"output_format": "hdf5", "output_filename_format": "a.h5"},
    {"output_format": "multi-scale OME-Zarr", "output_filename_format": "b.zarr"},
    {
        "output_format": "numpy",
        "output_filename_format": "c.npy",
        "output_axis_order": "cxzy",
        "cutout_subregion": "y=7:41,x=3:",
    },
    {
        "output_format": "png sequence",
        "output_filename_format": "d_{slice_index}.png",
        "output_axis_order": "xyz",
    },
    {
        "output_format": "multipage tiff",
        "output_filename_format": "e.ome.tiff",
        "export_dtype": "uint8",
    },
)


def test_products_are_made_in_one_read_as_alone(volume, tmp_path):
    _, data = volume
    settings = [
        ExportSettings(
            **{**one, "output_filename_format": f"{tmp_path}/X/{one['output_filename_format']}"},
            memory=100_000,
        )
        for one in PRODUCTS
    ]
    source = Counting(fb.Image.from_array(data, "zyx"))
    plans = [plan_one(source, one) for one in settings]
    items = [
        Item(title="a", value=source, plan=plan, product=str(i)) for i, plan in enumerate(plans)
    ]
    done = run_items(items)
    assert source.reads.max() == source.reads.min() == 1
    assert done[4].saturated == int((data > 255).sum())
    together = {p.relative_to(tmp_path / "X"): p for p in sorted((tmp_path / "X").rglob("*"))}
    (tmp_path / "X").rename(tmp_path / "Y")
    for item in items:
        run_items([item])
    alone = {p.relative_to(tmp_path / "X") for p in (tmp_path / "X").rglob("*")}
    assert set(together) == alone
    for path in alone:
        one, two = tmp_path / "X" / path, tmp_path / "Y" / path
        if one.suffix == ".h5":
            assert np.array_equal(fb.read_image(one).data, fb.read_image(two).data)
        elif one.is_file():
            assert one.read_bytes() == two.read_bytes(), path


def test_a_recipe_through_the_command_line(volume, tmp_path, capsys):
    path, data = volume
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        '[common]\ncutout_subregion = "z=2:5"\n'
        '[[products]]\nname = "store"\noutput_format = "multi-scale OME-Zarr"\n'
        '[[products]]\noutput-format = "numpy"\nexport_dtype = "float32"\n'
    )
    words = ["export", str(path), "--recipe", str(recipe)]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["product"] for one in told["products"]] == ["store", "2"]
    assert told["seconds"] > 0
    assert told["bytes"] == data[2:5].nbytes * 3
    assert np.load(tmp_path / "a_Input.npy").dtype == np.float32
    assert main([*words, "--skip-existing"]) == 0
    # the record repeats both, without the recipe
    record = tmp_path / "a_Input_settings.json"
    recipe.unlink()
    assert main(["run", str(record), "--overwrite"]) == 0
    assert np.array_equal(fb.read_image(tmp_path / "a_Input.zarr").data, data[2:5])


@pytest.mark.parametrize(
    ("recipe", "error", "said"),
    [
        ("[", FormatError, "is no JSON"),
        ("[]", SettingsError, "names no products"),
        ('[{"export_dtype": "uint9"}]', SettingsError, "export_dtype is 'uint9'"),
        ('[{"exprt_dtype": "uint8"}]', SettingsError, "Did you mean 'export_dtype'"),
        ('[{"jobs": 3}]', SettingsError, "which a product cannot have"),
        ('{"product": [{}]}', SettingsError, "Did you mean 'products'"),
        ('[{"name": 1}, {"name": 1}]', SettingsError, "two products '1'"),
        ("[{}, {}]", SettingsError, "Two products would be written to"),
        ("nothing.toml", FormatError, "cannot be read"),
    ],
)
def test_wrong_recipes_are_told(volume, recipe, error, said):
    with pytest.raises(error, match=said):
        fb.export(volume[0], recipe=recipe)


@pytest.mark.parametrize("suffix", ["h5", "zarr", "n5"])
def test_patterns_go_on_inside_files(tmp_path, suffix):
    for i in (1, 2, 10):
        image = fb.Image.from_array(np.full((4, 5), i, np.uint8), "yx")
        fb.write_image(image, f"{tmp_path}/v.{suffix}/vol{i}")
    fb.write_image(
        fb.Image.from_array(np.zeros((6, 7), np.uint8), "yx"), f"{tmp_path}/v.{suffix}/x/y"
    )
    inner = f"{tmp_path}/v.{suffix}/vol*"
    report = fb.export(
        inner, stack_along="t", output_filename_format=f"{tmp_path}/{{nickname}}.npy"
    )
    assert report.outputs[0] == f"{tmp_path}/v-vol.npy"
    assert np.load(report.outputs[0])[:, 0, 0].tolist() == [1, 2, 10]
    report = fb.export(each=inner, output_filename_format=f"{tmp_path}/{{nickname}}.png")
    assert len([p for p in report.outputs if p.endswith(".png")]) == 3
    report = fb.export(each=f"{tmp_path}/v.{suffix}/**/*", dry_run=True)
    assert len(report.outputs) == 4


def test_delete_lists_asks_and_deletes(volume, tmp_path, capsys, monkeypatch):
    path, _ = volume
    before = sorted(p.name for p in tmp_path.iterdir())
    for name in ("hdf5", "multi-scale OME-Zarr", "multipage tiff"):
        words = ["export", str(path), "--output_format", name]
        assert main(words) == 0
        monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
        assert main([*words, "--delete"]) == 2
        said = capsys.readouterr().err
        assert "a_Input" in said
        assert "Delete these 2? [y/N]" in said
        assert sorted(p.name for p in tmp_path.iterdir()) != before
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        assert main([*words, "--delete"]) == 0
        assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert main([*words, "--delete", "--yes"]) == 0
    assert "nothing to delete" in capsys.readouterr().out
    assert main([*words, "--yes"]) == 2
    fb.export(path)
    with pytest.raises(SettingsError, match="nobody can be asked"):
        fb.export(path, delete=True)


def test_delete_leaves_other_datasets(volume, tmp_path):
    path, data = volume
    where = f"{tmp_path}/o.h5"
    for inner in ("one", "two"):
        fb.export(path, output_filename_format=where, output_internal_path=inner)
    fb.export(path, output_filename_format=where, output_internal_path="one", delete=True, yes=True)
    assert np.array_equal(fb.read_image(f"{where}/two").data, data)
    with pytest.raises(FormatError):
        fb.read_image(f"{where}/one")


def test_the_page_shows_what_was_done(volume, tmp_path):
    path, _ = volume
    odd = tmp_path / "<b>odd&.npy"
    odd.write_bytes(b"no array")
    page = tmp_path / "page.html"
    report = fb.export(str(path), str(odd), output_format="imagej tiff", report=str(page))
    assert [title for title, _ in report.failures] == [str(odd)]
    assert report.outputs[-1] == str(page)
    text = page.read_text()
    assert "data:image/png;base64," in text
    assert "&lt;b&gt;odd&amp;.npy" in text
    assert "<b>" not in text
    assert "imagej tiff" in text
    assert "failed" in report.summary
    assert "imagej tiff" in report.summary


def test_collisions_name_both_sources(volume, tmp_path):
    path, data = volume
    np.save(tmp_path / "a.npy", data)
    settings = ExportSettings(input_axes="zyx")
    with pytest.raises(SettingsError, match=r"a\.h5.* and .*a\.npy"):
        plan_batch([str(path), str(tmp_path / "a.npy")], settings)


def test_progress_tells_bytes():
    out = io.StringIO()
    meter = Meter(out)
    meter.jobs(0, 2, "a.h5")
    advance = meter.begin("a.h5", 1000)
    advance(400)
    meter.jobs(1, 2, "b.h5")
    meter.begin("b.h5", 10)(10)
    meter.jobs(2, 2, "")
    assert meter._bar is None


def test_the_table_folds_long_names():
    rows = [{"title": "x" * 200, "state": "done"}, {"title": "y", "state": "failed", "error": "e"}]
    table = summary_table(rows, width=80)
    assert table.count("x") == 200
    assert max(map(len, table.splitlines())) <= 80


@pytest.mark.parametrize("broken", ["not there", "while it is read"])
def test_an_only_input_that_fails_leaves_the_page_too(tmp_path, monkeypatch, broken):
    from fijibridge.export import batch

    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.zeros((4, 5), np.uint8))
    if broken == "while it is read":

        def fails(*_):
            raise FormatError("The disk has a scratch.")

        monkeypatch.setattr(batch, "execute_together", fails)
    name = "gone.npy" if broken == "not there" else "a.npy"
    with pytest.raises(FormatError) as caught:
        fb.export(name, report="page.html", output_filename_format="o.h5")
    assert caught.value.message.split("'")[0] in (tmp_path / "page.html").read_text()


def test_an_axis_for_stacks_without_a_stack_is_told(tmp_path):
    for name in ("a1", "a2"):
        np.save(tmp_path / f"{name}.npy", np.zeros((4, 5), np.uint8))
    asked = {"stack_along": "t", "output_filename_format": f"{tmp_path}/{{nickname}}.h5"}
    one = fb.export(tmp_path / "a1.npy", **asked)
    assert any("stack_along 't' has no effect" in note for note in one.notes)
    stack = fb.export(f"{tmp_path}/a*.npy", **asked)
    assert not any("stack_along" in note for note in stack.notes)
