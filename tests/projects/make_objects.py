"""ilastik projects of Object Classification, made for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h5py  # noqa: TID253
import numpy as np

from projects.make_ilp import TYPE, random_tree, simple, write_forest

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = {
    "pixels": "Object Classification (from pixel classification)",
    "probabilities": "Object Classification (from prediction image)",
    "segmentation": "Object Classification (from binary image)",
    "labels": "Object Classification (from label image)",
}
STANDARD = "Standard Object Features"
#: Columns of a feature, in units of (channels, axes of space).
WIDTH = {
    "Count": lambda _c, _n: 1,
    "RegionCenter": lambda _c, n: n,
    "RegionRadii": lambda _c, n: n,
    "RegionAxes": lambda _c, n: n * n,
    "Covariance": lambda c, _n: c * c,
    "PrincipalAxes": lambda c, _n: c * c,
    "Histogram": lambda _c, _n: 64,
    "Quantiles": lambda _c, _n: 7,
}


def columns_of(names, channels: int, axes: int) -> int:
    widths = (WIDTH.get(n.partition(" ")[0], lambda c, _n: c)(channels, axes) for n in names)
    return sum(widths)


@dataclass
class ObjectIlp:
    """What a project file holds; every field may be made wrong."""

    origin: str = "labels"
    names: tuple[str, ...] = ("Count", "Mean", "Mean in neighborhood", "RegionRadii", "Skewness")
    channels: int = 1
    axes: int = 2
    classes: int = 2
    seed: int = 0
    margin: tuple[int, ...] = (5, 5)
    thresholds: dict = field(default_factory=dict)
    label_names: tuple[str, ...] = ("round", "long")
    plugins: dict = field(default_factory=dict)
    given: dict = field(default_factory=dict)
    file_path: str = "raw.npy"
    keys: str = "yx"
    block: int = 512

    def write(self, path: Path) -> Path:
        if self.origin == "pixels":
            simple(self.seed, channels=self.channels, workflow=WORKFLOWS["pixels"]).write(path)
        with h5py.File(path, "a") as f:
            if self.origin != "pixels":
                f["workflowName"] = WORKFLOWS[self.origin].encode()
                f["ilastikVersion"] = b"1.4.0"
                raw = f.create_group("Input Data/infos/lane0000/Raw Data")
                entries = ", ".join(f'{{"key": "{k}"}}' for k in self.keys)
                raw["axistags"] = f'{{"axes": [{entries}]}}'.encode()
                raw["filePath"] = self.file_path.encode()
            oc = f.create_group("ObjectClassification")
            self._features(oc.create_group("SelectedFeatures"))
            self._features(f.create_group("ObjectExtraction/Features"))
            oc["LabelNames"] = np.array([n.encode() for n in self.label_names])
            oc["PmapColors"] = np.array([(255, 0, 0), (0, 255, 0)])[: len(self.label_names)]
            oc["ExportSettings"] = b"cos\nsystem\n(S'true'\ntR."
            for t, values in self.given.items():
                oc[f"LabelInputs/0000/{t}"] = np.array(values, np.float64)
            self._forest(oc.create_group("ClassifierForests"))
            if self.origin in ("pixels", "probabilities"):
                group = f.create_group("ThresholdTwoLevels")
                for key, value in self.thresholds.items():
                    if key == "sigma":
                        for k, v in zip("zyx", value, strict=True):
                            group[f"SmootherSigma/{k}"] = float(v)
                    else:
                        group[key] = value
            blocks = f.create_group("Blockwise Object Classification")
            for k in "zyx":
                blocks[f"BlockShape3dDict/{k}"] = self.block
                blocks[f"HaloPadding3dDict/{k}"] = 16
        return path

    def _features(self, group) -> None:
        for plugin, names in {STANDARD: self.names, **self.plugins}.items():
            for name in names:
                one = group.create_group(f"{plugin}/{name}")
                one["displaytext"] = name.encode()
                if "neighborhood" in name:
                    one["margin"] = np.array(self.margin)

    def _forest(self, group) -> None:
        rng = np.random.default_rng(self.seed)
        columns = columns_of(self.names, self.channels, self.axes)
        values = np.abs(rng.normal(size=(columns, 30))) * 60
        trees = [random_tree(rng, columns, self.classes, 6, values) for _ in range(9)]
        write_forest(group.create_group("Forest0000"), trees, columns, self.classes)
        group["known_labels"] = np.arange(1, self.classes + 1, dtype=np.uint32)
        group["pickled_type"] = TYPE


def blobs(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return labels of random blobs, some touching, numbers in any order."""
    rng = np.random.default_rng(seed)
    out = np.zeros(shape, np.uint16)
    grid = np.indices(shape)
    for label in rng.permutation(np.arange(1, 15)) * 3:
        centre = [rng.integers(0, n) for n in shape]
        radii = [rng.uniform(1.5, max(2, n / 7)) for n in shape]
        inside = sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) < 1
        out[inside] = label
    return out
