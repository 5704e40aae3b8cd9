"""``fijibridge ilastik``: ilastik's command line on a project, through every door."""

from __future__ import annotations

import json

import h5py  # noqa: TID253
import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.model import Image
from fijibridge.ops import call
from fijibridge.ops._hosted import run_hosted
from projects.make_ilp import simple

ALL = ("Probabilities", "Simple Segmentation", "Uncertainty", "Features")


@pytest.fixture
def project(tmp_path):
    return simple(11, label_names=["cell", "rest"]).write(tmp_path / "p.ilp")


@pytest.fixture
def image(tmp_path):
    data = np.random.default_rng(0).integers(0, 250, (90, 110)).astype(np.uint8)
    axes = fb.Axes.of("yx", (90, 110), scale={"y": 0.5, "x": 0.5}, unit="micrometer")
    fb.write_image(Image.from_array(data, axes), tmp_path / "cells.tif")
    return tmp_path / "cells.tif"


def run(*words) -> int:
    return main(["ilastik", *map(str, words), "--quiet"])


def _expected(project, image, source=None) -> np.ndarray:
    return fb.IlastikProject(project).predict(image, source).data


@pytest.mark.parametrize("source", ALL)
@pytest.mark.parametrize("compat", [(), ("--compat", "ilastik")])
def test_every_source(project, image, tmp_path, source, compat):
    assert (
        run(
            "--headless",
            f"--project={project}",
            f"--export_source={source.lower()}",
            *compat,
            image,
        )
        == 0
    )
    path = tmp_path / f"cells_{source}.h5"
    with h5py.File(path) as file:
        found = file["exported_data"][()]
    np.testing.assert_array_equal(found, _expected(project, image, source))
    assert fb.open_image(f"{path}/exported_data").spec.axes["x"].scale == 0.5
    record = json.loads((tmp_path / f"cells_{source}_settings.json").read_text())
    assert record["verb"] == "ilastik"


def test_a_run_can_be_repeated(project, image, tmp_path):
    assert run("--project", project, "--raw_data", image, "--output_format", "numpy") == 0
    first = np.load(tmp_path / "cells_Probabilities.npy")
    (tmp_path / "cells_Probabilities.npy").unlink()
    assert main(["run", str(tmp_path / "cells_Probabilities_settings.json"), "--quiet"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "cells_Probabilities.npy"), first)


def test_raw_data_takes_a_list(project, image, tmp_path):
    second = tmp_path / "b.tif"
    fb.write_image(fb.read_image(image), second)
    assert (
        run("--project", project, "--raw_data", image, second, "--output_format=numpy", "--jobs=2")
        == 0
    )
    assert (tmp_path / "cells_Probabilities.npy").exists()
    assert (tmp_path / "b_Probabilities.npy").exists()


def test_the_projects_own_export_settings_are_the_defaults(image, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    export = {
        "OutputFormat": b"numpy",
        "OutputFilenameFormat": b"out/{nickname}-{result_type}",
        "ExportDtype": b"uint8",
        "OutputAxisOrder": b"cyx",
        "InputMin": 0.0,
        "InputMax": 1.0,
        "ExportMin": 0.0,
        "ExportMax": 255.0,
    }
    project = simple(11, export=export).write(folder / "p.ilp")
    assert run("--project", project, image) == 0
    found = np.load(folder / "out" / "cells-Probabilities.npy")
    expected = np.rint(_expected(project, image) * 255.0).transpose(2, 0, 1)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 1
    assert (
        run(
            "--project",
            project,
            image,
            "--export_dtype=float32",
            "--output_filename_format",
            tmp_path / "b.npy",
        )
        == 0
    )
    assert np.load(tmp_path / "b.npy").dtype == np.float32


@pytest.mark.parametrize(
    ("start", "stop", "part"),
    [
        ((-1, 20, 0), (40, -1, 1), np.s_[:40, 20:, :1]),
        ((np.nan, 20, 0), (0, np.inf, 1), np.s_[:, 20:, :1]),
    ],
)
def test_the_projects_own_cutout(tmp_path, image, start, stop, part):
    """-1 is no end; the order is that of the result, channels last, whatever the input's."""
    export = {"RegionStart": np.array(start), "RegionStop": np.array(stop)}
    project = simple(11, export=export).write(tmp_path / "p.ilp")
    whole = _expected(project, image)
    assert run("--project", project, image, "--output_format=numpy") == 0
    np.testing.assert_array_equal(np.load(tmp_path / "cells_Probabilities.npy"), whole[part])
    turned = tmp_path / "turned.h5"
    fb.write_image(Image.from_array(fb.read_image(image).data[None], "cyx"), f"{turned}/data")
    assert run("--project", project, f"{turned}/data", "--output_format=numpy") == 0
    found = np.load(tmp_path / "turned-data_Probabilities.npy")
    np.testing.assert_array_equal(found, whole[part])


def test_old_projects_say_which_filters_they_had(tmp_path, image, capsys):
    path = simple(11).write(tmp_path / "p.ilp")
    for version, told in ((b"1.2.0rc10", True), (b"0.6", True), (b"1.3.3post1", False)):
        with h5py.File(path, "r+") as file:
            del file["ilastikVersion"]
            file["ilastikVersion"] = version
        for filters in ("fastfilters", "vigra"):
            words = ("--project", str(path), str(image), "--filters", filters, "--dry-run")
            assert main(["ilastik", *words]) == 0
            said = capsys.readouterr().out
            assert ("--filters vigra" in said) is (told and filters == "fastfilters")


@pytest.mark.parametrize(
    "cutout", ["[(10,20),(40,None)]", "[(10,20,0),(40,None,2)]", "y=10:40,x=20:"]
)
def test_cutouts_are_in_the_inputs_order(project, image, tmp_path, cutout):
    out = tmp_path / "o.npy"
    assert (
        run(
            "--project",
            project,
            image,
            "--cutout_subregion",
            cutout,
            "--output_filename_format",
            out,
        )
        == 0
    )
    np.testing.assert_array_equal(np.load(out), _expected(project, image)[10:40, 20:])


def test_a_mask(project, image, tmp_path):
    mask = np.zeros((90, 110), np.uint8)
    mask[:50] = 1
    fb.write_image(Image.from_array(mask, "yx"), tmp_path / "m.tif")
    out = tmp_path / "o.npy"
    assert (
        run(
            "--project",
            project,
            "--raw_data",
            image,
            "--prediction_mask",
            tmp_path / "m.tif",
            "--output_filename_format",
            out,
        )
        == 0
    )
    np.testing.assert_array_equal(np.load(out), _expected(project, image) * mask[..., None])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--segmentation_image=x.h5"], "Object Classification"),
        (["--table_filename=x.csv"], "Object Classification"),
        (["--csv-export-file", "x.csv"], "Cell Density Counting"),
        (["--export_plugin=CSV-Table"], "Tracking"),
        (["--new_project=new.ilp"], "was not trained"),
        (["--export_source=Probability"], "Did you mean 'Probabilities'"),
        (["--export_source=Labels"], "none"),
        (["--filters=opencv"], "allowed are fastfilters, vigra"),
        (["--output_form=numpy"], "There is no flag"),
        (["--prediction_mask", "a.tif", "b.tif"], "2 prediction masks"),
        (["--input_axes=zz"], "each once"),
        (["--configfile=nowhere.ini"], "no configuration"),
    ],
)
def test_what_does_not_fit_is_refused(project, image, capsys, words, said):
    code = run("--project", project, image, *words)
    assert code in {2, 3}
    assert said in capsys.readouterr().err


def test_unsupported_workflows(tmp_path, image, capsys):
    project = simple(workflow="Multicut").write(tmp_path / "m.ilp")
    assert run("--project", project, image) == 4
    assert "Multicut" in capsys.readouterr().err
    assert run("--project", tmp_path / "none.ilp", image) == 3
    assert main(["ilastik", str(image)]) == 2


def test_threads_and_memory_of_ilastiks_configuration(project, image, tmp_path, monkeypatch):
    from fijibridge.ops.ilastik import IlastikSettings, _environment

    ini = tmp_path / "c.ini"
    ini.write_text("[lazyflow]\nthreads = 3\ntotal_ram_mb = 700\n")
    value = IlastikSettings(project=str(project), configfile=str(ini))
    assert (_environment(value).jobs, _environment(value).memory) == (3, 700 << 20)
    monkeypatch.setenv("LAZYFLOW_THREADS", "2")
    assert _environment(value).jobs == 2
    monkeypatch.setenv("LAZYFLOW_TOTAL_RAM_MB", "many")
    with pytest.raises(fb.SettingsError, match="whole number"):
        _environment(value)


def test_a_log_is_kept(project, image, tmp_path):
    assert run("--project", project, image, "--logfile", tmp_path / "log.txt") == 0
    assert "cells_Probabilities.h5" in (tmp_path / "log.txt").read_text()


def test_labels_of_the_projects_own_image(tmp_path, image, project):
    labels = np.array([[[1], [2]]], np.uint8)
    own = simple(11, drawn=[("[3:4,5:7,0:1]", labels)], file_path="cells.tif").write(
        tmp_path / "q.ilp"
    )
    assert run("--project", own, image, "--export_source=labels", "--output_format=numpy") == 0
    found = np.load(tmp_path / "cells_Labels.npy")
    assert found[3, 5:7].ravel().tolist() == [1, 2]
    assert found.sum() == 3
    assert run("--project", project, image, "--export_source=labels", "--compat=ilastik") == 0
    with h5py.File(tmp_path / "cells_Labels.h5") as file:
        assert not file["exported_data"][()].any()


def test_untagged_files_have_the_axes_of_training(tmp_path):
    project = simple(11, axes="tyxc", shape=(5, 64, 64, 1)).write(tmp_path / "p.ilp")
    data = np.random.default_rng(0).integers(0, 250, (3, 64, 70, 1)).astype(np.uint8)
    np.save(tmp_path / "a.npy", data)
    assert run("--project", project, tmp_path / "a.npy") == 0
    assert fb.open_image(tmp_path / "a_Probabilities.h5").spec.axes.keys == "tyxc"
    assert (
        run("--project", project, tmp_path / "a.npy", "--ignore_training_axistags", "--overwrite")
        == 0
    )
    assert fb.open_image(tmp_path / "a_Probabilities.h5").spec.axes.keys == "zyxc"


@pytest.mark.parametrize("kind", ["zarr", "precomputed"])
def test_levels_3_4_5_of_the_documentation(tmp_path, project, kind):
    """Raw with levels 1 to 5, predicted on level 3: the export has the levels 3, 4 and 5."""
    sides = [800, 400, 200, 100, 50]
    rng = np.random.default_rng(0)
    levels = [rng.integers(0, 250, (n, n), np.uint8) for n in sides]
    names = _precomputed(tmp_path, levels) if kind == "precomputed" else _zarr(tmp_path, levels)
    raw = f"{tmp_path / 'raw.zarr' if kind == 'zarr' else tmp_path / 'raw.precomputed'}/{names[2]}"
    out = tmp_path / "out.zarr"
    assert (
        run(
            "--project",
            project,
            raw,
            "--output_format=multi-scale OME-Zarr",
            "--output_filename_format",
            out,
        )
        == 0
    )
    found = fb.open_image(out)
    assert [level.name for level in found.spec.scales] == names[2:]
    assert [level.axes.size("x") for level in found.spec.scales] == sides[2:]
    expected = _expected(project, Image.from_array(levels[2], "yx"))
    data = fb.read_image(out)
    data = data.reorder("yxc").data
    np.testing.assert_array_equal(data, expected)


def _zarr(folder, levels) -> list[str]:
    import zarr

    root = zarr.open_group(folder / "raw.zarr", mode="w", zarr_format=2)
    for i, data in enumerate(levels, start=1):
        made = root.create_array(str(i), shape=data.shape, chunks=(64, 64), dtype="u1")
        made[:] = data
    scales = [
        {
            "path": str(i),
            "coordinateTransformations": [{"type": "scale", "scale": [2.0 ** (i - 1)] * 2}],
        }
        for i in range(1, 6)
    ]
    axes = [{"name": k, "type": "space", "unit": "micrometer"} for k in "yx"]
    root.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": scales}]
    return ["1", "2", "3", "4", "5"]


def _precomputed(folder, levels) -> list[str]:
    ts = pytest.importorskip("tensorstore")
    names = []
    for i, data in enumerate(levels):
        step = 4 << i
        names.append(f"{step}_{step}_40")
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": str(folder / "raw.precomputed")},
            "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
            "scale_metadata": {
                "key": names[-1],
                "size": [*data.T.shape, 1],
                "resolution": [step, step, 40],
                "encoding": "raw",
                "chunk_size": [64, 64, 1],
            },
            "create": True,
        }
        ts.open(spec).result().write(data.T[:, :, None, None]).result()
    return names


class FakeHost:
    """A program with one image."""

    def __init__(self, image) -> None:
        self.image, self.shown = image, []

    def active_source(self):
        return self.image

    def active_image(self):
        return self.image

    def active_folder(self):
        return None

    def show_image(self, image) -> None:
        self.shown.append(image)

    def __getattr__(self, name):
        return lambda *_: None


def test_the_open_image_of_a_host(project, image):
    host = FakeHost(fb.read_image(image))
    run_hosted("ilastik", {"project": str(project), "export_source": "Simple Segmentation"}, host)
    (shown,) = host.shown
    np.testing.assert_array_equal(
        np.squeeze(shown.data), _expected(project, image, "Simple Segmentation")[..., 0]
    )


def test_the_json_door(project, image, tmp_path):
    request = {
        "verb": "ilastik",
        "settings": {"project": str(project), "inputs": [str(image)], "dry_run": True},
    }
    answer = json.loads(call(json.dumps(request)))
    assert answer["ok"], answer
    assert answer["report"]["shape"] == [90, 110, 2]
    assert not (tmp_path / "cells_Probabilities.h5").exists()
