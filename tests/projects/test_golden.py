"""Real ilastik 1.4 projects: every probability equal, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.model import Region

CASES = [
    ("PixelClass.ilp", "Data_1channel.png", "res-Data_1channel_pc1xyc.npy", None),
    (
        "2464_PixelClassification_xy_input.ilp",
        "Data_1channel.png",
        "res-Data_1channel_pc1xy.npy",
        None,
    ),
    ("PixelClass3Channel.ilp", "Data_3channel.png", "res-Data_3channel_pc3c.npy", None),
    ("PixelClass3D.ilp", "Data_3D.npy", "res-Data_3D_pc3d.npy", None),
    ("PixelClass3D_2D_3D_feature_mix.ilp", "Data_3D.npy", "res-Data_3D_pc3d2dfm.npy", None),
    (
        "Autocontext_2D.ilp",
        "Data_1channel.png",
        "res-Data_1channel_ac2ds1.npy",
        "Probabilities Stage 1",
    ),
    ("Autocontext_2D.ilp", "Data_1channel.png", "res-Data_1channel_ac2ds2.npy", None),
    ("Autocontext_3D.ilp", "Data_3D.npy", "res-Data_3D_ac2ds1.npy", "probabilities stage 1"),
    ("Autocontext_3D.ilp", "Data_3D.npy", "res-Data_3D_ac2ds2.npy", "Probabilities Stage 2"),
]


@pytest.mark.parametrize(("name", "image", "result", "source"), CASES)
@pytest.mark.parametrize("jobs", [1, 3])
def test_probabilities_of_real_projects(shared, name, image, result, source, jobs):
    folder = shared / "golden" / "ilp"
    expected = np.load(folder / result)
    found = fb.IlastikProject(folder / name).predict(folder / image, source, jobs=jobs)
    assert found.dtype == np.float32
    assert found.axes.keys[-1] == "c"
    assert found.spec.role == "probabilities"
    np.testing.assert_array_equal(found.data, expected)


@pytest.mark.parametrize(
    "name", ["PixelClass3Channel.ilp", "PixelClass3D_2D_3D_feature_mix.ilp", "Autocontext_3D.ilp"]
)
def test_parts_are_parts_of_the_whole(shared, name):
    folder = shared / "golden" / "ilp"
    case = next(c for c in reversed(CASES) if c[0] == name)
    expected = np.load(folder / case[2])
    source = fb.IlastikProject(folder / name).open(folder / case[1])
    rng = np.random.default_rng(5)
    for _ in range(4):
        start = [int(rng.integers(0, n)) for n in expected.shape]
        stop = [int(rng.integers(a + 1, n + 1)) for a, n in zip(start, expected.shape, strict=True)]
        box = Region(tuple(start), tuple(stop))
        np.testing.assert_array_equal(source.read(box), expected[box.slices])


def test_all_stages_are_stacked(shared):
    folder = shared / "golden" / "ilp"
    project = fb.IlastikProject(folder / "Autocontext_2D.ilp")
    found = project.predict(folder / "Data_1channel.png", "Propabilities all stages")
    stages = [np.load(folder / f"res-Data_1channel_ac2ds{i}.npy") for i in (1, 2)]
    np.testing.assert_array_equal(found.data, np.concatenate(stages, axis=-1))
    seen = project.predict(folder / "Data_1channel.png", "Input Stage 2")
    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(
        seen.data[..., 1:], (np.float32(255) * stages[0]).astype(np.uint8)
    )


@pytest.mark.parametrize("name", ["PixelClassNoClassifier.ilp", "PixelClassNoData.ilp"])
def test_untrained_projects_say_so(shared, name):
    with pytest.raises(fb.FormatError, match="no trained classifier"):
        fb.IlastikProject(shared / "golden" / "ilp" / name)


def test_segmentation_and_uncertainty_of_ilastik(shared):
    """s50: ilastik's own derivatives of ilastik's probabilities."""
    import h5py

    from fijibridge.projects.run import _made_of

    folder = shared / "golden" / "ilastik" / "s50_pixelclass_2d3c" / "expected"

    def read(name):
        with h5py.File(folder / f"{name}.h5") as file:
            return np.moveaxis(file["exported_data"][()], -1, 0)[:, None]

    probabilities = read("Probabilities")
    for kind in ("Simple Segmentation", "Uncertainty"):
        expected = read(kind.replace(" ", "_"))
        found = _made_of(probabilities, kind)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_the_users_labels(shared):
    folder = shared / "golden" / "ilp"
    project = fb.IlastikProject(folder / "Autocontext_3D.ilp")
    labels = project.predict(folder / "Data_3D.npy", "Labels Stage 1")
    assert labels.shape == (64, 64, 64, 1)
    assert set(np.unique(labels.data)) == {0, 1, 2, 3}
    assert [p["name"] for p in labels.spec.extra.label_properties] == [
        "Label 1",
        "Label 2",
        "Label 3",
    ]
    with pytest.raises(fb.SettingsError, match="none"):
        project.predict(np.zeros((64, 64, 64, 1), np.uint8), "Labels Stage 1")
