"""ilastik projects made for tests: any features, any forest, nothing trained by a person."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h5py  # noqa: TID253
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

IDS = (
    "GaussianSmoothing",
    "LaplacianOfGaussian",
    "GaussianGradientMagnitude",
    "DifferenceOfGaussians",
    "StructureTensorEigenvalues",
    "HessianOfGaussianEigenvalues",
)
SCALES = (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0)
LEAF = 0x40000000
TYPE = (
    b"clazyflow.classifiers.parallelVigraRfLazyflowClassifier\n"
    b"ParallelVigraRfLazyflowClassifier\np0\n."
)


@dataclass
class Tree:
    """A tree in vigra's layout."""

    topology: list[int]
    parameters: list[float]


def random_tree(rng, columns: int, classes: int, leaves: int, values=None) -> Tree:
    """Return a tree of so many leaves; thresholds are drawn from `values` (columns, n)."""
    topo, par = [columns, classes], []

    def node(count: int) -> int:
        at = len(topo)
        if count == 1:
            votes = (
                rng.random(classes)
                if rng.random() < 0.5
                else np.eye(classes)[rng.integers(classes)]
            )
            topo.extend([LEAF, len(par)])
            par.extend([1.0, *(votes / votes.sum())])
            return at
        column = int(rng.integers(columns))
        threshold = (
            float(rng.normal() * 50) if values is None else float(rng.choice(values[column]))
        )
        topo.extend([0, len(par), 0, 0, column])
        par.extend([1.0, threshold])
        first = int(rng.integers(1, count))
        topo[at + 2] = node(first)
        topo[at + 3] = node(count - first)
        return at

    node(leaves)
    return Tree(topo, par)


@dataclass
class Ilp:
    """What a project file holds; every field may be made wrong."""

    matrix: np.ndarray
    forests: list[list[Tree]]
    columns: int
    classes: int
    in_2d: list[bool] | None = None
    scales: tuple[float, ...] = SCALES
    known_labels: list[int] | None = None
    label_names: list[str] | None = None
    workflow: str = "Pixel Classification"
    axes: str = "yxc"
    shape: tuple[int, ...] = (64, 64, 1)
    file_path: str = "raw.npy"
    pickled_type: bytes = TYPE
    drawn: list[tuple[str, np.ndarray]] = field(default_factory=list)
    export: dict = field(default_factory=dict)
    weighted: int = 0

    def write(self, path: Path) -> Path:
        names = self.label_names or [f"Label {i + 1}" for i in range(self.classes)]
        with h5py.File(path, "w") as f:
            f["workflowName"] = self.workflow.encode()
            f["ilastikVersion"] = b"1.4.0"
            self.features(f.create_group("FeatureSelections"))
            pc = f.create_group("PixelClassification")
            pc["LabelNames"] = np.array([n.encode() for n in names])
            pc["LabelColors"] = np.array([(255, 0, 0), (0, 255, 0)] * 40)[: len(names)]
            pc["PmapColors"] = np.array([(255, 0, 0), (0, 255, 0)] * 40)[: len(names)]
            pc["ClassifierFactory"] = b"cos\nsystem\n(S'true'\ntR."
            sets = pc.create_group("LabelSets/labels000")
            for i, (where, labels) in enumerate(self.drawn):
                sets[f"block{i:04d}"] = labels
                sets[f"block{i:04d}"].attrs["blockSlice"] = where
            self.classifier(pc.create_group("ClassifierForests"))
            raw = f.create_group("Input Data/infos/lane0000/Raw Data")
            entries = ", ".join(f'{{"key": "{k}"}}' for k in self.axes)
            raw["axistags"] = f'{{"axes": [{entries}]}}'.encode()
            raw["shape"] = np.array(self.shape)
            raw["filePath"] = self.file_path.encode()
            out = f.create_group("Prediction Export")
            for key, value in self.export.items():
                out[key] = value
        return path

    def features(self, group) -> None:
        group["FeatureIds"] = np.array([i.encode() for i in IDS])
        group["Scales"] = np.array(self.scales)
        group["SelectionMatrix"] = self.matrix.astype(bool)
        if self.in_2d is not None:
            group["ComputeIn2d"] = np.array(self.in_2d)

    def classifier(self, group) -> None:
        labels = self.known_labels or list(range(1, self.classes + 1))
        for i, trees in enumerate(self.forests):
            write_forest(
                group.create_group(f"Forest{i:04d}"),
                trees,
                self.columns,
                self.classes,
                self.weighted,
            )
        group["known_labels"] = np.array(labels, np.uint32)
        group["pickled_type"] = self.pickled_type


def write_forest(group, trees: list[Tree], columns: int, classes: int, weighted: int = 0) -> None:
    ext, options = group.create_group("_ext_param"), group.create_group("_options")
    ext["column_count_"] = np.array([float(columns)])
    ext["class_count_"] = np.array([float(classes)])
    ext["labels"] = np.arange(1, classes + 1, dtype=np.uint32)
    options["tree_count_"] = np.array([float(len(trees))])
    options["predict_weighted_"] = np.array([float(weighted)])
    for i, tree in enumerate(trees):
        node = group.create_group(f"Tree_{i}")
        node["topology"] = np.array(tree.topology, np.int32)
        node["parameters"] = np.array(tree.parameters, np.float64)


def matrix(*chosen: tuple[str, float]) -> np.ndarray:
    """Return the table of features with these (name, scale)."""
    out = np.zeros((len(IDS), len(SCALES)), bool)
    for name, scale in chosen:
        out[IDS.index(name), SCALES.index(scale)] = True
    return out


def columns_of(table: np.ndarray, channels: int, dimensions: int) -> int:
    per = [dimensions if i >= 4 else 1 for i in range(len(IDS))]
    return int(sum(row.sum() * n for row, n in zip(table, per, strict=True))) * channels


def simple(
    seed: int = 0,
    *,
    classes: int = 2,
    leaves: int = 12,
    channels: int = 1,
    dimensions: int = 2,
    **more,
) -> Ilp:
    """Return a small project: a few features, two forests of trees."""
    rng = np.random.default_rng(seed)
    table = more.pop("table", None)
    if table is None:
        table = matrix(
            ("GaussianSmoothing", 0.3),
            ("GaussianSmoothing", 3.5),
            ("LaplacianOfGaussian", 1.6),
            ("GaussianGradientMagnitude", 1.6),
            ("DifferenceOfGaussians", 1.0),
            ("StructureTensorEigenvalues", 1.6),
            ("HessianOfGaussianEigenvalues", 0.7),
        )
    columns = columns_of(table, channels, dimensions)
    forests = [
        [random_tree(rng, columns, classes, int(rng.integers(2, leaves + 1))) for _ in range(n)]
        for n in (7, 6)
    ]
    return Ilp(table, forests, columns, classes, in_2d=[dimensions == 2] * len(SCALES), **more)


class Bomb:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def bomb(path: Path, protocol: int = 0) -> bytes:
    return pickle.dumps(Bomb(path), protocol=protocol)
