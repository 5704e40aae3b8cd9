"""Beside vigra itself, from the system's Python: filters and forests of random projects."""

from __future__ import annotations

import subprocess
from pathlib import Path

import h5py  # noqa: TID253
import numpy as np
import pytest

import fijibridge as fb
from fijibridge.formats.ilp import read_project
from fijibridge.model import Image
from fijibridge.model.project import FeatureSelection
from fijibridge.projects.features import FeatureBank
from fijibridge.projects.forest import Predictor
from projects.make_ilp import IDS, SCALES, TYPE, simple

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("oracle_vigra.py")


@pytest.fixture(scope="session")
def vigra(tmp_path_factory):
    """Return a function that gives vigra a task."""
    try:
        subprocess.run([PYTHON, "-c", "import vigra"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("vigra is not here: /usr/bin/python3 has no module vigra (python3-vigra)")
    folder = tmp_path_factory.mktemp("vigra")

    def ask(**task):
        np.savez(folder / "task.npz", **task)
        subprocess.run([PYTHON, SCRIPT, folder / "task.npz", folder / "out.npz"], check=True)
        return np.load(folder / "out.npz")

    return ask


def _selection(flat: bool) -> FeatureSelection:
    matrix = np.ones((6, 5), bool)
    matrix[1:, 0] = False
    return FeatureSelection(
        ids=IDS,
        scales=(0.3, 0.7, 1.0, 1.6, 3.5),
        matrix=tuple(tuple(map(bool, row)) for row in matrix),
        in_2d=(flat,) * 5,
    )


@pytest.mark.parametrize("flavor", ["vigra", "fastfilters"])
@pytest.mark.parametrize(
    ("flat", "shape"), [(True, (2, 1, 61, 90)), (True, (1, 3, 40, 33)), (False, (1, 20, 33, 41))]
)
def test_filters(vigra, flavor, flat, shape):
    """All values within 2e-4 of the largest one, but for some eigenvalues in float32 in 3-D."""
    rng = np.random.default_rng(3)
    raw = rng.integers(0, 256, shape).astype(np.float32)
    selection = _selection(flat)
    bank = FeatureBank(selection, shape[1:], shape[0], flavor)
    found = bank.compute(raw, (0, 0, 0), (0, 0, 0), shape[1:])[..., : shape[3]]
    chosen = selection.chosen
    expected = vigra(
        task="features",
        raw=raw,
        names=[name for name, _ in chosen],
        scales=[selection.scales[j] for _, j in chosen],
        flat=[flat] * len(chosen),
        swapped=flavor == "fastfilters",
    )["features"]
    assert found.shape == expected.shape
    largest: dict[str, float] = {}  # of all eigenvalues of one filter
    for name, b in zip(bank.names, expected, strict=True):
        base = name.partition(" [")[0]
        largest[base] = max(largest.get(base, 0.0), float(np.abs(b).max()))
    for name, a, b in zip(bank.names, found, expected, strict=True):
        off = np.abs(a - b) / largest[name.partition(" [")[0]]
        if not flat and "Eigenvalues" in name and flavor == "fastfilters":
            # the cubic of a matrix with two equal eigenvalues magnifies the last bits
            assert np.quantile(off, 0.99) < 2e-4, name
        else:
            assert off.max() < 2e-4, name


def _put(forest, project, classes) -> None:
    """Put a forest that vigra wrote into a project."""
    with h5py.File(project, "r+") as file, h5py.File(forest) as trained:
        group = file["PixelClassification/ClassifierForests"]
        for name in list(group):
            del group[name]
        trained.copy("Forest0000", group)
        group["known_labels"] = np.arange(1, classes + 1, dtype=np.uint32)
        group["pickled_type"] = TYPE


@pytest.mark.parametrize(
    ("seed", "dimensions", "channels", "classes"), [(0, 2, 3, 6), (1, 3, 1, 2), (2, 3, 2, 9)]
)
def test_projects(vigra, tmp_path, seed, dimensions, channels, classes):
    """Whole projects, frame by frame: where a feature's last bit decides, and nowhere else."""
    rng = np.random.default_rng(seed)
    shape = (1, 52, 61) if dimensions == 2 else (17, 30, 33)
    movie = rng.integers(0, 4000, (2, channels, *shape)).astype(np.uint16)
    places = [(i, j) for i in range(6) for j in (1, 2, 3, 4)]
    table = np.zeros((6, 7), bool)
    for place in rng.choice(len(places), 7, replace=False):
        table[places[place]] = True
    in_2d = [dimensions == 2 or bool(v) for v in rng.integers(0, 2, 7)]
    made = simple(seed, table=table, classes=classes)
    made.in_2d = in_2d
    path = made.write(tmp_path / "p.ilp")
    chosen = [(i, j) for i in range(6) for j in range(7) if table[i, j]]
    frames = [
        vigra(
            task="features",
            raw=frame.astype(np.float32),
            names=[IDS[i] for i, _ in chosen],
            scales=[SCALES[j] for _, j in chosen],
            flat=[in_2d[j] for _, j in chosen],
            swapped=False,
        )["features"]
        for frame in movie
    ]
    rows = np.concatenate([f.reshape(len(f), -1).T for f in frames])
    x = rows[rng.choice(len(rows), 800, replace=False)]
    order = np.argsort(np.argsort(x[:, 1] + x[:, -1]))
    y = 1 + order * classes // len(order)
    trained = tmp_path / "forest.h5"
    expected = vigra(task="forest", x=x, y=y, rows=rows, trees=20, seed=seed, path=str(trained))
    _put(trained, path, classes)
    image = Image.from_array(movie.transpose(0, 2, 3, 4, 1), "tzyxc")
    found = fb.IlastikProject(path).predict(image, filters="vigra").data
    off = np.abs(found.reshape(-1, classes) - expected["probabilities"]).max(axis=1)
    assert np.mean(off > 1e-6) < 2e-3


@pytest.mark.parametrize(
    ("seed", "classes", "samples"),
    [(0, 2, 60), (1, 3, 360), (2, 4, 660), (3, 2, 960), (4, 25, 4000)],
)
def test_forest(vigra, tmp_path, seed, classes, samples):
    """A forest that vigra trained and wrote gives what vigra gives, bit for bit."""
    rng = np.random.default_rng(seed)
    columns = 9
    x = rng.normal(size=(samples, columns)).astype(np.float32)
    y = (
        1
        + (np.abs(x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x))) * classes / 3).astype(int)
        % classes
    )
    y[:classes] = np.arange(1, classes + 1)
    rows = rng.normal(size=(5000, columns)).astype(np.float32)
    rows[7, 3] = np.nan
    file = tmp_path / "forest.h5"
    trees = 23
    expected = vigra(task="forest", x=x, y=y, rows=rows, trees=trees, seed=seed, path=str(file))[
        "probabilities"
    ]
    path = simple(classes=classes).write(tmp_path / "p.ilp")
    _put(file, path, classes)
    stage = read_project(path).stages[0]
    found = Predictor(stage.forest, stage.classes).predict(np.ascontiguousarray(rows.T)).T
    # ilastik multiplies by the number of trees and divides again
    as_ilastik = (expected * np.float32(trees)) / np.float32(trees)
    np.testing.assert_array_equal(found, as_ilastik)
    assert np.abs(found - expected).max() <= np.float32(6e-8)
