"""What every verb of the menu really does in the tests of all doors: inputs, lines, results.

Whoever adds a verb with a menu label adds its line here; the tests of every door ask for it.
"""

from __future__ import annotations

import shutil
import zipfile
from typing import TYPE_CHECKING

import numpy as np

import fijibridge as fb
from fijibridge.model import Axes, Image

if TYPE_CHECKING:
    from pathlib import Path

LINES = {
    "particles": "input=[{i}/i.tif] threshold=100,255 outdir=[{o}]",
    "convert": "input=[{i}/l.tif] output=[{o}/l.zip]",
    "measure": "objects=[{i}/l.tif] image=[{i}/i.tif] table=[{o}/m.csv]",
    "export": "input=[{i}/i.tif] output_format=numpy output_filename_format=[{o}/e.npy] "
    "export_dtype=uint16",
    "ilastik": "project=[{i}/p.ilp] input=[{i}/i.tif] output_format=numpy "
    "output_filename_format=[{o}/p.npy] export_dtype=float32",
    "patch checkout": "store=[{o}/v.ome.zarr] region=[z=2:6,y=10:40,x=8:50] out=[{o}/patch.tif]",
    "patch checkin": "file=[{i}/edited.npy] store=[{o}/v.ome.zarr] region=[z=2:6,y=10:40,x=8:50]",
    "doctor": "start=false",
}


def write_inputs(folder: Path) -> Path:
    """Write an image, its labels, a project, a store and an edited part of it; returns `folder`."""
    y, x = np.mgrid[:80, :120]
    data = np.where((y % 20 - 10) ** 2 + (x % 24 - 12) ** 2 < 40, 200, 10).astype(np.uint8)
    axes = Axes.of("yx", data.shape, scale={"x": 0.5, "y": 0.5}, unit="um")
    image = Image.from_array(data, axes, name="i")
    fb.write_image(image, folder / "i.tif")
    fb.write_labels(fb.analyze_particles(image, threshold=(100, 255)).labels, folder / "l.tif")
    from projects.make_ilp import simple

    simple(3).write(folder / "p.ilp")
    volume = np.random.default_rng(0).integers(0, 200, (8, 64, 64)).astype(np.uint8)
    np.save(folder / "edited.npy", volume[2:6, 10:40, 8:50] // 2)
    fb.export(
        Image.from_array(volume, "zyx"),
        output_format="multi-scale OME-Zarr",
        output_filename_format=str(folder / "v.ome.zarr"),
    )
    return folder


def lines(inputs: Path, out: Path) -> list[tuple[str, str]]:
    """Return (verb, macro options) of every verb; what they write goes to `out`, which is made."""
    out.mkdir(parents=True)
    shutil.copytree(inputs / "v.ome.zarr", out / "v.ome.zarr")
    return [(verb, line.format(i=inputs, o=out)) for verb, line in LINES.items()]


def module_inputs(verb: str, line: str) -> dict[str, str | bool]:
    """Return macro options as the inputs of a module, which has one name for each."""
    from fijibridge.ops import operation
    from fijibridge.ops._kinds import FLAG
    from fijibridge.ops._settings import declared, parse_keys

    items = {
        name: item
        for item in declared(operation(verb).settings)
        for name in (item.name, *item.aliases)
    }
    return {
        items[key].name: text == "true" if items[key].kind is FLAG else text
        for key, text in parse_keys(line).items()
    }


def same_files(one: Path, other: Path) -> list[str]:
    """Compare what two doors wrote: bytes, records of ROI zips, pixels of patches and stores."""
    names, others = (
        sorted(p.name for p in folder.iterdir() if p.suffix != ".json") for folder in (one, other)
    )
    assert names == others
    for name in names:
        if name.endswith(".zip"):
            with zipfile.ZipFile(one / name) as a, zipfile.ZipFile(other / name) as b:
                assert [(n, a.read(n)) for n in a.namelist()] == [
                    (n, b.read(n)) for n in b.namelist()
                ]
        elif name.endswith(".zarr") or name == "patch.tif":  # a patch has an id of its own
            assert np.array_equal(fb.read_image(one / name).data, fb.read_image(other / name).data)
        else:
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
    return names
