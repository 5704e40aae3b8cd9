"""How pixels travel: each chunk once, in bounded memory, the same for any number of threads."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import h5py  # noqa: TID253  # the witness
import numpy as np
import pytest

from fijibridge.errors import FormatError
from fijibridge.export.batch import plan_batch, run_item
from fijibridge.export.grid import blocks
from fijibridge.export.settings import ExportSettings
from fijibridge.formats import read_image
from fijibridge.formats._hdf5.chunked import ChunkedDataset
from fijibridge.formats._hdf5.write import Hdf5Sink
from fijibridge.model import Region


def source(path, *, shape=(40, 70, 90), chunks=(16, 32, 32), **more):
    rng = np.random.default_rng(0)
    data = rng.integers(0, 50, shape, np.uint16)
    with h5py.File(path, "w") as file:
        made = file.create_dataset("a", data=data, chunks=chunks, **more)
        made.attrs["axes"] = "zyx"
    return data


def export(path, target, **chosen):
    wanted = ExportSettings(output_filename_format=str(target), overwrite=True, **chosen)
    (item,) = plan_batch([str(path)], wanted)
    return run_item(item)


@pytest.fixture
def inflated(monkeypatch):
    """Which chunks were inflated."""
    seen = []
    real = ChunkedDataset._unpacked
    monkeypatch.setattr(
        ChunkedDataset,
        "_unpacked",
        lambda self, raw, low: seen.append(low) or real(self, raw, low),
    )
    return seen


FORMATS = (
    ("imagej tiff", "o.tif"),
    ("numpy", "o.npy"),
    ("hdf5", "o.h5"),
    ("compressed hdf5", "o.h5"),
    ("single-scale OME-Zarr", "o.ome.zarr"),
    ("multi-scale OME-Zarr", "o.ome.zarr"),
)


@pytest.mark.parametrize("memory", [1, 1 << 28])
@pytest.mark.parametrize("cutout", [None, ((3, 5, 0), (37, None, 80))])
@pytest.mark.parametrize(("name", "target"), FORMATS)
def test_each_chunk_is_inflated_once(tmp_path, inflated, name, target, cutout, memory):
    data = source(tmp_path / "a.h5", compression="gzip")
    chosen = {"output_format": name, "memory": memory, "jobs": 2}
    if cutout is not None:
        chosen["cutout_subregion"] = cutout
        data = data[3:37, 5:, :80]
    export(tmp_path / "a.h5", tmp_path / target, **chosen)
    assert len(inflated) == len(set(inflated)) == 3 * 3 * 3
    np.testing.assert_array_equal(read_image(tmp_path / target, axes="zyx").data, data)


def test_transposed_chunks_are_inflated_once(tmp_path, inflated):
    data = source(tmp_path / "a.h5", compression="gzip")
    export(tmp_path / "a.h5", tmp_path / "o.h5", output_axis_order="xzy", cutout_subregion="x=7:")
    assert len(inflated) == len(set(inflated)) == 27
    found = read_image(tmp_path / "o.h5").data
    np.testing.assert_array_equal(found, data[:, :, 7:].transpose(2, 0, 1))


@pytest.fixture
def copied(monkeypatch):
    """Which chunks were copied as they are stored."""
    seen = []
    real = Hdf5Sink.put_packed
    monkeypatch.setattr(
        Hdf5Sink, "put_packed", lambda self, low, data: seen.append(low) or real(self, low, data)
    )
    return seen


@pytest.mark.parametrize(
    ("kind", "filters"), [("hdf5", {}), ("compressed hdf5", {"compression": "gzip"})]
)
def test_equal_chunks_are_copied_as_they_are(tmp_path, inflated, copied, kind, filters):
    first = tmp_path / "first.h5"
    data = source(tmp_path / "a.h5", **filters)
    export(tmp_path / "a.h5", first, output_format=kind)
    inflated.clear()
    with h5py.File(first) as file:
        made = file["exported_data"]
        chunks, number = made.chunks, made.id.get_num_chunks()
    source(tmp_path / "b.h5", chunks=chunks, **filters)
    export(tmp_path / "b.h5", tmp_path / "two.h5", output_format=kind)
    assert not inflated
    assert len(copied) == number
    np.testing.assert_array_equal(read_image(tmp_path / "two.h5").data, data)
    with h5py.File(tmp_path / "b.h5") as one, h5py.File(tmp_path / "two.h5") as two:
        for i in range(number):
            low = one["a"].id.get_chunk_info(i).chunk_offset
            raw = [f.id.read_direct_chunk(low) for f in (one["a"], two["exported_data"])]
            assert raw[0] == raw[1]


@pytest.mark.parametrize(
    "chosen",
    [
        {"export_dtype": "uint32"},
        {"cutout_subregion": "z=1:"},
        {"output_axis_order": "xyz"},
        {"pipeline_result_drange": (0, 10), "export_drange": (0, 20)},
        {"output_format": "hdf5"},
    ],
)
def test_changed_pixels_are_not_copied(tmp_path, copied, chosen):
    source(tmp_path / "a.h5", chunks=(40, 70, 90), compression="gzip")
    export(tmp_path / "a.h5", tmp_path / "o.h5", **{"output_format": "compressed hdf5"} | chosen)
    assert not copied


def test_chunks_that_are_not_stored(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset(
            "a", (8, 64, 64), "u2", chunks=(8, 64, 64), compression="gzip", fillvalue=3
        )
        made.attrs["axes"] = "zyx"
    export(tmp_path / "a.h5", tmp_path / "o.h5", output_format="compressed hdf5")
    assert (read_image(tmp_path / "o.h5").data == 3).all()


def test_a_damaged_chunk_leaves_nothing(tmp_path):
    source(tmp_path / "a.h5", compression="gzip")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["a"].id.write_direct_chunk((16, 0, 32), b"no deflate stream")
    before = sorted(tmp_path.iterdir())
    for name, target in FORMATS:
        with pytest.raises(FormatError, match=r"chunk at \(16, 0, 32\)"):
            export(tmp_path / "a.h5", tmp_path / target, output_format=name, jobs=2)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("name", "target"), FORMATS)
def test_files_do_not_depend_on_the_threads(tmp_path, name, target):
    source(tmp_path / "a.h5", shape=(50, 130, 170), compression="gzip")
    made = []
    for jobs in (1, 2, 5):
        folder = tmp_path / str(jobs)
        export(tmp_path / "a.h5", folder / target, output_format=name, jobs=jobs, memory=4_000_000)
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        made.append({str(p.relative_to(folder)): p.read_bytes() for p in files})
    assert made[0] == made[1] == made[2]


def test_blocks_cover_an_image_once():
    seen = np.zeros((7, 10, 3), int)
    order = list(blocks(seen.shape, (2, 4, 3), (1, 3, 0), depth_first=True))
    for region in order:
        seen[region.slices] += 1
    assert (seen == 1).all()
    assert order[0] == Region((0, 0, 0), (1, 3, 3))
    assert [r.start for r in blocks((8, 8), (2, 2), depth_first=True)][:5] == [
        (0, 0),
        (0, 2),
        (2, 0),
        (2, 2),
        (0, 4),
    ]
    assert not list(blocks((0, 3), (1, 1)))


MEMORY = """
    import sys
    from fijibridge.export.batch import plan_batch, run_item
    from fijibridge.export.settings import ExportSettings
    path, target, kind, memory = sys.argv[1:]
    wanted = ExportSettings(
        output_filename_format=target, output_format=kind, memory=int(memory), jobs=4
    )
    def peak():  # of this process alone, without what it was forked from
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    (item,) = plan_batch([path], wanted)
    before = peak()
    run_item(item)
    print(before // 1024, peak() // 1024)
"""


@pytest.mark.parametrize(
    ("kind", "target", "chunks"),
    [
        ("multi-scale OME-Zarr", "o.ome.zarr", (64, 128, 128)),
        ("compressed hdf5", "o.h5", (128, 1024, 8)),  # columns: whole planes touch every chunk
        ("imagej tiff", "o.tif", (1, 1024, 1024)),
    ],
)
def test_peak_memory(tmp_path, kind, target, chunks):
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux says in /proc how large a process was")
    with h5py.File(tmp_path / "a.h5", "w") as file:  # 256 MB, nothing of it stored
        made = file.create_dataset("a", (128, 1024, 1024), "u2", chunks=chunks, compression="gzip")
        made.attrs["axes"] = "zyx"
    argv = [tmp_path / "a.h5", tmp_path / target, kind, 30_000_000]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEMORY), *map(str, argv)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert after < 400
    # imports of the target, the compiled loops and the chunks that wait too
    assert after - before < 200
