"""The same plan on a real cluster of processes: the same bytes, also when workers are killed."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import SettingsError
from fijibridge.export import cluster as room
from fijibridge.export.batch import Item, plan_one, run_item
from fijibridge.export.cluster import run_items_on
from fijibridge.export.settings import ExportSettings

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*heartbeat.*", "ignore:.*[Ss]ending large graph.*"),
]

FORMATS = {
    "hdf5": "o.h5",
    "compressed hdf5": "o.h5",
    "multi-scale OME-Zarr": "o.zarr",
    "single-scale OME-Zarr": "o.zarr",
    "compressed n5": "o.n5",
    "multipage tiff": "o.ome.tiff",
    "imagej tiff": "o.tif",
    "numpy": "o.npy",
    "png sequence": "s/{slice_index}.png",
}


def _started():
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    made = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    )
    return made, distributed.Client(made, set_as_default=False)


@pytest.fixture(scope="module")
def clusters():
    made = [_started()]
    yield made
    for one, client in made:
        client.close()
        one.close()


@pytest.fixture
def cluster(clusters):
    """Return a cluster with both of its workers: an earlier test may have killed one.

    A nanny whose worker is killed before it has heard from it starts no other one: what comes
    after gets a cluster of its own.
    """
    if not _is_whole(*clusters[-1]):
        clusters.append(_started())
    assert _is_whole(*clusters[-1]), "A new cluster has no two workers."
    return clusters[-1][0]


def _is_whole(cluster, client, seconds=120):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if all(map(_running, cluster.workers.values())) and len(client.nthreads()) == 2:
            return True
        time.sleep(0.05)
    return False


def _running(nanny):
    ready = distributed.Status.running
    return nanny.status == ready and nanny.process is not None and nanny.process.status == ready


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    data = np.random.default_rng(3).integers(0, 4000, (40, 200, 210), np.uint16)
    fb.write_image(fb.Image.from_array(data, "zyx"), folder / "a.h5")
    return folder / "a.h5"


def content(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def item(path, target, name, **more):
    more = {"cutout_subregion": "z=2:,x=:203", "jobs": 1, "memory": 3_000_000, **more}
    if name == "png sequence":
        more["cutout_subregion"] = "z=2:9,x=:203"
    settings = ExportSettings(output_format=name, output_filename_format=str(target), **more)
    return Item(title="a", value=str(path), plan=plan_one(str(path), settings))


def one_worker(cluster):
    return next(worker.pid for worker in cluster.workers.values() if _running(worker))


@pytest.mark.parametrize("name", FORMATS)
def test_a_killed_worker_changes_no_byte(cluster, volume, tmp_path, name):
    run_item(item(volume, tmp_path / "one" / FORMATS[name], name))
    lock, seen = threading.Lock(), []

    def progress(nbytes):
        with lock:
            seen.append(nbytes)
        if len(seen) == 1:
            os.kill(one_worker(cluster), signal.SIGKILL)

    target = tmp_path / "two" / FORMATS[name]
    done = run_items_on(cluster.scheduler_address, [item(volume, target, name)], progress)[0]
    assert len(seen) > 1
    assert sum(seen) == done.nbytes
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_labels_keep_their_colours(cluster, tmp_path):
    labels = np.zeros((4, 300, 300), np.uint16)
    labels[1:, 20:90, 20:280] = np.arange(260)
    fb.write_labels(labels, tmp_path / "l.h5", axes="zyx")
    for where in ("one", "two"):
        asked = item(
            tmp_path / "l.h5",
            tmp_path / where / "l.zarr",
            "multi-scale OME-Zarr",
            role="labels",
            cutout_subregion=None,
        )
        if where == "one":
            run_item(asked)
        else:
            run_items_on(cluster.scheduler_address, [asked])
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_values_that_saturate_are_counted(cluster, volume, tmp_path):
    one = item(volume, tmp_path / "one.npy", "numpy", export_dtype="uint8")
    two = item(volume, tmp_path / "two.npy", "numpy", export_dtype="uint8")
    a, b = run_item(one), run_items_on(cluster.scheduler_address, [two])[0]
    assert a.saturated == b.saturated > 0
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


def test_an_image_in_memory_is_read_here(cluster, tmp_path):
    image = fb.Image.from_array(np.arange(6000, dtype=np.uint16).reshape(20, 300), "yx")
    settings = ExportSettings(output_filename_format=f"{tmp_path}/m.npy")
    asked = Item(title="m", value=image, plan=plan_one(image, settings))
    run_items_on(cluster.scheduler_address, [asked])
    assert np.array_equal(np.load(tmp_path / "m.npy"), image.data)


def test_a_broken_input_is_one_clear_error(cluster, volume, tmp_path):
    asked = item(volume, tmp_path / "o.npy", "numpy")
    asked = replace(asked, value=str(tmp_path / "gone.h5"))
    with pytest.raises(fb.FormatError, match="There is no file"):
        run_items_on(cluster.scheduler_address, [asked])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lost", "said"),
    [("workers", "no workers any more"), ("scheduler", "does not answer any more")],
)
def test_a_cluster_that_is_lost_is_one_clear_error(volume, tmp_path, monkeypatch, lost, said):
    monkeypatch.setattr(room, "_PATIENCE", 1.5)
    made = distributed.LocalCluster(
        n_workers=1,
        processes=False,
        protocol="tcp",
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    )

    def lose(_nbytes):
        if lost == "workers":
            made.scale(0)
            while made.scheduler.workers:
                time.sleep(0.01)
        else:
            made.sync(made.scheduler.close)

    asked = item(volume, tmp_path / "o.npy", "numpy", memory=1_000_000)
    try:
        with pytest.raises(SettingsError, match=said):
            run_items_on(made.scheduler_address, [asked], lose)
    finally:
        made.close()
    assert list(tmp_path.iterdir()) == []


def test_workers_that_do_nothing_are_not_waited_for(monkeypatch):
    class Idle:
        def processing(self):
            return {"tcp://there:1": ()}

    def nothing():
        time.sleep(0.01)
        raise TimeoutError

    monkeypatch.setattr(room, "_PATIENCE", 0.05)
    with pytest.raises(SettingsError, match="no workers that do anything"):
        room._patiently(Idle(), nothing)


def test_addresses_are_checked(volume, tmp_path):
    with pytest.raises(SettingsError, match="it is an address such as"):
        fb.export(volume, output_filename_format=f"{tmp_path}/o.h5", scheduler="here:1")
