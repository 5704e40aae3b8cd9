# ruff: noqa: PT017, RUF043
"""Projects that are damaged, foreign or hostile: refused, never loaded, never unpickled."""

from __future__ import annotations

import contextlib
import pickle
import zlib

import h5py  # noqa: TID253
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats.ilp import read_project, workflow_of
from fijibridge.projects.forest import Predictor
from projects.make_ilp import LEAF, Tree, bomb, matrix, simple

PICKLED = (
    "PixelClassification/ClassifierFactory",
    "PixelClassification/ClassifierForests/pickled_type",
    "PixelClassification/Bookmarks/0000",
    "PixelClassification/ClassifierForests/feature_names",
    "PixelClassification/LabelNames",
)


@pytest.mark.parametrize("field", PICKLED)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_is_unpickled(tmp_path, field, protocol):
    path = simple().write(tmp_path / "p.ilp")
    target = tmp_path / "exploded"
    with h5py.File(path, "r+") as file:
        if field in file:
            del file[field]
        file[field] = np.void(bomb(target, protocol))
    try:
        read_project(path)
    except FijiBridgeError as error:
        assert field.endswith(("pickled_type", "feature_names", "LabelNames")), error
    assert not target.exists()


@pytest.mark.parametrize(
    ("pickled", "named"),
    [
        (
            b"clazyflow.classifiers.sklearnLazyflowClassifier\nSklearnLazyflowClassifier\np0\n.",
            "Sklearn",
        ),
        (pickle.dumps(np.ndarray, protocol=4), "ndarray"),
        (b"\x80\x02cos\nsystem\nq\x00.", "system"),
        (b"garbage", "unreadable"),
        (b"", "unreadable"),
        (b"(S'ParallelVigraRfLazyflowClassifier'\np0\n.", "a pickle with"),
    ],
)
def test_foreign_classifiers_are_refused_by_name(tmp_path, pickled, named):
    path = simple(pickled_type=np.void(pickled or b"\0")).write(tmp_path / "p.ilp")
    with pytest.raises(UnsupportedError, match=named) as caught:
        read_project(path)
    assert "random forest" in str(caught.value)


def test_newer_pickles_of_the_known_classifier_are_read(tmp_path):
    name = b"lazyflow.classifiers.parallelVigraRfLazyflowClassifier"
    known = b"\x80\x02c" + name + b"\nParallelVigraRfLazyflowClassifier\nq\x00."
    path = simple(pickled_type=np.void(known)).write(tmp_path / "p.ilp")
    assert read_project(path).stages[0].forest.trees == 13


@pytest.mark.parametrize(
    "workflow",
    ["Cell Density Counting", "Multicut"],
)
def test_other_workflows_say_what_they_need(tmp_path, workflow):
    path = simple(workflow=workflow).write(tmp_path / "p.ilp")
    assert workflow_of(path) == workflow
    with pytest.raises(UnsupportedError) as caught:
        read_project(path)
    assert workflow in str(caught.value)
    assert "Pixel Classification, Autocontext" in str(caught.value)
    assert "run_ilastik" in str(caught.value)


def test_projects_that_compute_nothing_say_what_to_type(tmp_path):
    for workflow in ("Carving", "Manual Tracking Workflow"):
        path = simple(workflow=workflow).write(tmp_path / "p.ilp")
        with pytest.raises(SettingsError, match="by hand"):
            read_project(path)
    path = simple(workflow="Data Conversion").write(tmp_path / "p.ilp")
    with pytest.raises(SettingsError, match="Data Conversion") as caught:
        read_project(path)
    assert "fijibridge export" in caught.value.hint
    with h5py.File(path, "r+") as file:
        del file["workflowName"]
        file["workflowName"] = b"Pixel Classification"
        del file["FeatureSelections/SelectionMatrix"]
    with pytest.raises(FormatError, match="no pixel features chosen"):
        read_project(path)
    with h5py.File(tmp_path / "old.ilp", "w") as file:
        file["ilastikVersion"] = 0.5
        file.create_group("DataSets")
        file.create_group("Project")
    with pytest.raises(FormatError, match=r"ilastik 0\.5"):
        read_project(tmp_path / "old.ilp")


def _tree(file):
    return file["PixelClassification/ClassifierForests/Forest0000/Tree_0"]


def _replace(group, name, value):
    del group[name]
    group[name] = value


def _cycle(file):
    file["PixelClassification/ClassifierForests/again"] = file["PixelClassification"]


def _cycle_of_forests(file):
    group = file["PixelClassification/ClassifierForests"]
    group["Forest0002"] = group


def _outside(file):
    forests = file["PixelClassification/ClassifierForests"]
    del forests["Forest0000"]
    forests["Forest0000"] = h5py.ExternalLink("/etc/passwd", "/x")


def _soft(file):
    _replace(file["FeatureSelections"], "Scales", h5py.SoftLink("/nowhere"))


def _absurd(file):
    del file["FeatureSelections/SelectionMatrix"]
    file["FeatureSelections"].create_dataset(
        "SelectionMatrix", (1 << 40, 7), "u1", chunks=(1024, 7)
    )


def _absurd_tree(file):
    tree = _tree(file)
    del tree["topology"]
    tree.create_dataset("topology", (1 << 36,), "i4", chunks=(1 << 20,))


def _kept_outside(file):
    tree = _tree(file)
    del tree["parameters"]
    tree.create_dataset("parameters", (100,), "f8", external=[("/etc/passwd", 0, 800)])


def _topology(change):
    def do(file):
        tree = _tree(file)
        topology = tree["topology"][()]
        change(topology)
        _replace(tree, "topology", topology)

    return do


def _parameters(place, value):
    def do(file):
        tree = _tree(file)
        values = tree["parameters"][()]
        values[place] = value
        _replace(tree, "parameters", values)

    return do


def _endless_tree(file):
    """A hundred million zeros, of which the file holds none but a few hundred kilobytes."""
    tree = _tree(file)
    del tree["topology"]
    made = tree.create_dataset(
        "topology", (100_000_000,), "i4", chunks=(1 << 20,), compression="gzip"
    )
    chunk = zlib.compress(bytes(4 << 20))
    for start in range(0, 100_000_000, 1 << 20):
        made.id.write_direct_chunk((start,), chunk)


HOSTILE = {
    "cycle": (_cycle, "holds itself"),
    "cycle of forests": (_cycle_of_forests, "holds itself"),
    "external link": (_outside, "link"),
    "soft link": (_soft, "link"),
    "absurd matrix": (_absurd, "says that"),
    "absurd tree": (_absurd_tree, "says that"),
    "pixels elsewhere": (_kept_outside, "other files"),
    "a tree that bites its tail": (_topology(lambda t: t.__setitem__(4, 2)), "no tree"),
    "a child far away": (_topology(lambda t: t.__setitem__(5, 1 << 30)), "no tree"),
    "a negative child": (_topology(lambda t: t.__setitem__(5, -7)), "no tree"),
    "a feature too many": (_topology(lambda t: t.__setitem__(6, 99)), "feature 99"),
    "another forest's tree": (_topology(lambda t: t.__setitem__(0, 3)), "does not belong"),
    "a threshold that is no number": (_parameters(1, np.nan), "compares with NaN"),
    "votes without end": (_parameters(-1, np.inf), "no numbers"),
    "a tree without end": (_endless_tree, "described by 100000000 numbers"),
    "one node": (lambda f: _replace(_tree(f), "topology", np.zeros(3, "i4")), "described by 3"),
    "no votes": (_topology(lambda t: t.__setitem__(3, 1 << 20)), "within a node"),
    "tree count": (
        lambda f: _replace(
            f["PixelClassification/ClassifierForests/Forest0000/_options"],
            "tree_count_",
            np.array([9.0]),
        ),
        "it has 7",
    ),
    "class count": (
        lambda f: _replace(
            f["PixelClassification/ClassifierForests/Forest0000/_ext_param"],
            "class_count_",
            np.array([1e18]),
        ),
        "no whole number",
    ),
    "labels": (
        lambda f: _replace(
            f["PixelClassification/ClassifierForests"], "known_labels", np.array([0, 1])
        ),
        "numbered from 1",
    ),
    "scales": (lambda f: _replace(f["FeatureSelections"], "Scales", np.array([1e9] * 7)), "scales"),
    "names": (
        lambda f: _replace(f["FeatureSelections"], "FeatureIds", np.array([b"x"] * 6)),
        "feature 'x'",
    ),
    "no forests": (
        lambda f: f.__delitem__("PixelClassification/ClassifierForests"),
        "no trained classifier",
    ),
    "no features": (lambda f: f.__delitem__("FeatureSelections"), "no group"),
    "no workflow": (
        lambda f: (f.__delitem__("workflowName"), f.__delitem__("PixelClassification")),
        "no ilastik project",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_projects_are_refused(tmp_path, case):
    change, said = HOSTILE[case]
    path = simple(5).write(tmp_path / "p.ilp")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(FormatError, match=said):
        read_project(path)


def test_features_of_a_file_are_refused(tmp_path):
    path = simple().write(tmp_path / "p.ilp")
    with h5py.File(path, "r+") as file:
        file["FeatureSelections/FeatureListFilename"] = b"features.txt"
    with pytest.raises(UnsupportedError, match="features.txt"):
        read_project(path)


def test_other_nodes_are_refused(tmp_path):
    path = simple(5).write(tmp_path / "p.ilp")
    with h5py.File(path, "r+") as file:
        _topology(lambda t: t.__setitem__(2, 1))(file)
    with pytest.raises(UnsupportedError, match="type 1"):
        read_project(path)


@given(st.integers(0, 10**9))
def test_bytes_that_are_changed_never_crash(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("fuzz")
    path = simple(1).write(folder / "p.ilp")
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for _ in range(int(rng.integers(1, 30))):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    path.write_bytes(bytes(data[: int(rng.integers(1, len(data)))] if seed % 3 == 0 else data))
    with contextlib.suppress(FijiBridgeError):
        read_project(path)


@given(st.integers(0, 10**9))
def test_trees_that_are_changed_never_crash(tmp_path_factory, seed):
    """What is still read predicts numbers, within a bounded walk."""
    path = simple(1).write(tmp_path_factory.mktemp("fuzz") / "p.ilp")
    rng = np.random.default_rng(seed)
    odd = [-1, 0, 1, 2, 3, 7, 99, LEAF, LEAF + 1, 2**31 - 1, -(2**31)]
    strange = [0.0, -1.0, 1e-300, 1e308, -1e308, np.inf, -np.inf, np.nan]
    with h5py.File(path, "r+") as file:
        forest = file["PixelClassification/ClassifierForests/Forest0000"]
        for _ in range(int(rng.integers(1, 6))):
            tree = forest[f"Tree_{rng.integers(7)}"]
            if rng.random() < 0.6:
                values = tree["topology"][()]
                values[rng.integers(len(values))] = rng.choice(odd)
                _replace(tree, "topology", values)
            else:
                values = tree["parameters"][()]
                values[rng.integers(len(values))] = rng.choice(strange)
                _replace(tree, "parameters", values)
    try:
        stage = read_project(path).stages[0]
    except FijiBridgeError:
        return
    features = rng.normal(size=(stage.forest.columns, 300)).astype(np.float32) * 100
    with np.errstate(all="ignore"):
        found = Predictor(stage.forest, 2).predict(features)
    assert found.shape == (2, 300)


def test_a_tree_that_is_one_long_branch(tmp_path):
    """Fifty thousand nodes, one below the other: read, walked, without recursion."""
    topology, parameters = [1, 2], []
    for _ in range(50_000):
        at = len(topology)
        topology += [0, len(parameters), at + 5, at + 7, 0]
        parameters += [1.0, 0.5]
        topology += [LEAF, len(parameters)]
        parameters += [1.0, 1.0, 0.0]
    topology += [LEAF, len(parameters)]
    parameters += [1.0, 0.0, 1.0]
    made = simple(1, table=matrix(("GaussianSmoothing", 1.0)))
    made.forests, made.columns = [[Tree(topology, parameters)]], 1
    forest = read_project(made.write(tmp_path / "p.ilp")).stages[0].forest
    found = Predictor(forest, 2).predict(np.array([[0.0, 1.0]], np.float32))
    np.testing.assert_array_equal(found, [[1.0, 0.0], [0.0, 1.0]])


def test_a_missing_file(tmp_path):
    with pytest.raises(FormatError, match="no file"):
        read_project(tmp_path / "p.ilp")
    (tmp_path / "q.ilp").write_text("no")
    with pytest.raises(FormatError, match="no readable HDF5"):
        read_project(tmp_path / "q.ilp")
