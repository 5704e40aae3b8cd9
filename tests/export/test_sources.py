"""What can be exported: files of every kind, pyramids, and arrays that are not in memory."""

from __future__ import annotations

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import FormatError, SettingsError
from fijibridge.export.batch import plan_one
from fijibridge.export.settings import ExportSettings, parse_cutout
from fijibridge.export.sources import open_source
from fijibridge.model import Axes, Image, Region

DATA = np.random.default_rng(0).integers(0, 60000, (40, 120, 100), np.uint16)


def image(**about):
    return Image.from_array(DATA, Axes.of("zyx", DATA.shape, **about))


@pytest.fixture
def precomputed(tmp_path):
    """A volume of three scales at (10, 20, 30) voxels, z halved only once."""
    ts = pytest.importorskip("tensorstore")
    scales = [
        ((100, 120, 40), (8, 8, 16), (10, 20, 30)),
        ((50, 60, 40), (16, 16, 16), (5, 10, 30)),
        ((25, 30, 20), (32, 32, 32), (2, 5, 15)),
    ]
    for size, resolution, offset in scales:
        store = ts.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": str(tmp_path / "v.precomputed")},
                "multiscale_metadata": {
                    "type": "image",
                    "data_type": "uint16",
                    "num_channels": 1,
                },
                "scale_metadata": {
                    "size": size,
                    "resolution": resolution,
                    "chunk_size": [32, 32, 32],
                    "encoding": "raw",
                    "voxel_offset": offset,
                },
                "create": True,
            }
        ).result()
        step = [n // m for n, m in zip((100, 120, 40), size, strict=True)]
        store[..., 0] = DATA.T[tuple(slice(None, None, k) for k in step)]
    return tmp_path / "v.precomputed"


@pytest.mark.parametrize("cut", [None, "x=20:80,z=4:"])
def test_a_precomputed_pyramid_is_matched(precomputed, tmp_path, cut):
    report = fb.export(
        precomputed,
        output_format="multi-scale OME-Zarr",
        cutout_subregion=cut,
        output_filename_format=f"{tmp_path}/o.zarr",
    )
    found = fb.open_image(report.outputs[0])
    levels = found.spec.scales
    assert [level.name for level in levels] == ["8_8_16", "16_16_16", "32_32_32"]
    sizes = [(40, 120, 100), (40, 60, 50), (20, 30, 25)]
    if cut:
        sizes = [(36, 120, 60), (36, 60, 30), (18, 30, 15)]
    assert [level.axes.shape for level in levels] == sizes
    assert report.to_json()["levels"] == [list(shape) for shape in sizes]
    assert [[a.scale for a in level.axes] for level in levels] == [
        [16.0, 8.0, 8.0],
        [16.0, 16.0, 16.0],
        [32.0, 32.0, 32.0],
    ]
    origin = [30 * 16.0 + (64 if cut else 0), 160.0, 80.0 + (160 if cut else 0)]
    assert [a.origin for a in levels[0].axes] == origin
    assert {a.unit for a in levels[0].axes} == {"nanometer"}
    wanted = DATA[4:, :, 20:80] if cut else DATA
    np.testing.assert_array_equal(fb.read_image(report.outputs[0]).data, wanted)


def test_a_lower_level_is_never_scaled_up(tmp_path):
    data = np.random.default_rng(0).integers(0, 255, (4, 600, 500), np.uint8)
    fb.write_image(Image.from_array(data, "zyx"), tmp_path / "in.zarr")
    levels = fb.open_image(tmp_path / "in.zarr").spec.scales
    assert len(levels) > 2
    report = fb.export(
        tmp_path / "in.zarr" / levels[1].name, output_filename_format=f"{tmp_path}/o.zarr"
    )
    made = fb.open_image(report.outputs[0]).spec.scales
    assert [level.axes.shape for level in made] == [level.axes.shape for level in levels[1:]]
    assert [level.name for level in made] == [level.name for level in levels[1:]]
    one = fb.read_image(tmp_path / "in.zarr", level=1)
    np.testing.assert_array_equal(fb.read_image(report.outputs[0]).data, one.data)


@pytest.mark.parametrize("name", ["a.h5/raw", "a.n5/raw", "a.zarr", "a.npy", "a.tif", "a.nii"])
def test_only_the_part_is_read(tmp_path, name, monkeypatch):
    fb.write_image(image(), tmp_path / name)
    settings = ExportSettings(
        cutout_subregion="[(3,10,20),(5,12,24)]", output_format="hdf5", input_axes="zyx"
    )
    source = open_source(str(tmp_path / name), settings)
    plan = plan_one(str(tmp_path / name), settings)
    assert plan.output.shape == (2, 2, 4)
    found = source.read(plan.region)
    source.close()
    np.testing.assert_array_equal(found, DATA[3:5, 10:12, 20:24])


class Watched:
    """An array in chunks that counts what is taken of it."""

    shape, dtype, chunks = DATA.shape, DATA.dtype, (10, 40, 50)

    def __init__(self):
        self.taken = 0

    def __getitem__(self, index):
        found = DATA[index]
        self.taken += found.size
        return found


def test_arrays_in_chunks_stay_where_they_are(tmp_path):
    watched = Watched()
    settings = ExportSettings(input_axes="zyx")
    assert plan_one(watched, settings).output.shape == DATA.shape
    assert watched.taken == 0
    report = fb.export(
        watched,
        axes="zyx",
        output_format="numpy",
        cutout_subregion="z=3:9",
        output_filename_format=f"{tmp_path}/o",
    )
    np.testing.assert_array_equal(np.load(report.outputs[0]), DATA[3:9])
    assert watched.taken == DATA[3:9].size


@pytest.mark.parametrize("kind", ["numpy", "zarr", "zarr names", "dask", "image", "bool"])
def test_arrays_of_all_kinds(tmp_path, kind):
    chosen = {"axes": "yzx"}
    if kind.startswith("zarr"):
        import zarr

        names = {"dimension_names": ["y", "z", "x"], "zarr_format": 3} if "names" in kind else {}
        value = zarr.create_array(
            {}, shape=DATA.shape, chunks=(16, 64, 64), dtype=DATA.dtype, **names
        )
        value[...] = DATA
        chosen = {} if names else chosen
    elif kind == "dask":
        value = pytest.importorskip("dask.array").from_array(DATA, chunks=(7, 50, 100))
    elif kind == "image":
        value, chosen = Image.from_array(DATA, "yzx"), {}
    else:
        value = DATA if kind == "numpy" else DATA > 30000
    report = fb.export(
        value,
        output_format="hdf5",
        output_axis_order="zyx",
        output_filename_format=f"{tmp_path}/o",
        **chosen,
    )
    wanted = DATA.transpose(1, 0, 2)
    found = fb.read_image(report.outputs[0])
    assert found.axes.keys == "zyx"
    if kind == "bool":
        wanted = np.where(wanted > 30000, 255, 0)
    np.testing.assert_array_equal(found.data, wanted)


def test_arrays_that_are_no_images():
    da = pytest.importorskip("dask.array")
    with pytest.raises(SettingsError, match="complex128"):
        plan_one(da.zeros((4, 4), dtype=complex), ExportSettings())
    with pytest.raises(SettingsError, match="is no image"):
        plan_one(da.zeros((1,) * 6), ExportSettings())
    broken = da.zeros((4, 4)).map_blocks(lambda block: 1 / 0, dtype=float)
    source = open_source(broken, ExportSettings())
    with pytest.raises(FormatError, match="division by zero"):
        source.read(Region.whole((4, 4)))


#: All spellings of one part: z 3 to 9, y from 10, x up to 50.
SPELLINGS = [
    "[(3,10,None),(9,None,50)]",
    "[(3, 10, 0), (9, 120, 50)]",
    "[[3,10,null],[9,null,50]]",
    "[(3,10,0,0),(9,None,50,1)]",
    "[(3,10,0,None),(9,None,50,None)]",
    "z=3:9,y=10:,x=:50",
    "z=3:9 y=10: x=:50",
    "Z = 3 : 9, y=10: , x=:50",
    "x=:50,z=3:9,y=10:120",
    [(3, 10, None), (9, None, 50)],
    [[3, 10, 0], [9, 120, 50]],
    (np.array([3, 10, 0]), np.array([9, 120, 50])),
    {"z": (3, 9), "y": [10, None], "x": slice(None, 50)},
]


@pytest.mark.parametrize("cut", SPELLINGS, ids=str)
def test_a_part_in_all_spellings(cut):
    plan = plan_one(image(), ExportSettings(cutout_subregion=cut))
    assert plan.region == Region((3, 10, 0), (9, 120, 50))
    assert not plan.warnings


@pytest.mark.parametrize(
    "cut",
    [
        "z=3",
        "z=3:9:2",
        "q=1:2",
        "z=1:2,,y=1:2",
        "z=1:2;y=1:2",
        "[(3,10),(9,)]",
        "[(1.5,0,0),(2,3,4)]",
        "[(true,0,0),(2,3,4)]",
        "(3,10,0)",
        "z",
        "",
        {"z": 3},
        {"zz": (1, 2)},
        {"z": slice(0, 9, 2)},
        {"z": (1, 2), "Z": (1, 2)},
        7,
    ],
    ids=str,
)
def test_parts_that_are_none(cut):
    with pytest.raises(SettingsError):
        parse_cutout(cut)
