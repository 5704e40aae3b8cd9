"""``fijibridge ilastik --scheduler``: a project on a cluster of processes, the same bytes."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.model import Image
from projects.make_ilp import SCALES, matrix, simple
from projects.make_objects import ObjectIlp, blobs

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*heartbeat.*", "ignore:.*[Ss]ending large graph.*"),
]


@pytest.fixture(scope="module")
def address():
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    ) as made:
        yield made.scheduler_address


def _twice(address, folder, *words) -> None:
    """Run in threads and on the cluster, and compare the bytes."""
    for name, more in (("here", ("--jobs=3",)), ("there", ("--scheduler", address))):
        target = folder / f"{name}.npy"
        line = (*words, "--output_filename_format", target, "--memory=4MB", *more, "--quiet")
        assert main(["ilastik", *map(str, line)]) == 0
    assert (folder / "here.npy").read_bytes() == (folder / "there.npy").read_bytes()


def _volume(folder, seed=2):
    data = np.random.default_rng(seed).integers(0, 250, (12, 150, 170)).astype(np.uint8)
    fb.write_image(Image.from_array(data, "zyx"), folder / "raw.h5/data")
    return folder / "raw.h5/data"


@pytest.mark.parametrize("source", ["Probabilities", "Features"])
def test_pixels(address, tmp_path, source):
    """In volumes, some filters plane by plane, with a mask."""
    table = matrix(("GaussianSmoothing", 1.0), ("HessianOfGaussianEigenvalues", 1.6))
    made = simple(3, table=table, dimensions=2)
    made.in_2d = [s == 1.6 for s in SCALES]  # the Gaussian goes through planes
    project = made.write(tmp_path / "p.ilp")
    raw = _volume(tmp_path)
    words = ["--project", project, raw, "--export_source", source]
    if source == "Probabilities":
        mask = np.zeros((12, 150, 170), np.uint8)
        mask[3:, 20:140] = 1
        fb.write_image(Image.from_array(mask, "zyx"), tmp_path / "mask.h5/data")
        words = [*words[:2], "--raw_data", raw, *words[3:], "--prediction_mask"]
        words.append(tmp_path / "mask.h5/data")
    _twice(address, tmp_path, *words)


def test_objects(address, tmp_path):
    raw = np.random.default_rng(1).integers(0, 250, (3, 120, 130)).astype(np.uint8)
    labels = np.stack([blobs(t, (120, 130)) for t in range(3)])
    for name, data in (("raw", raw), ("labels", labels)):
        fb.write_image(Image.from_array(data, "tyx"), tmp_path / f"{name}.h5/data")
    project = ObjectIlp(keys="tyx").write(tmp_path / "p.ilp")
    words = ("--project", project, "--raw_data", tmp_path / "raw.h5/data")
    words += ("--label_image", tmp_path / "labels.h5/data")
    _twice(address, tmp_path, *words, "--export_source=Object Probabilities")
