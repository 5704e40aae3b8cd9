"""One lesson in five languages: the same table bytes, ROI records and label pixels."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.ops._sample import sample_image

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def commands(image: Path, out: Path) -> dict[str, list[str]]:
    fiji = [sys.executable, "-m", "fijibridge", "fiji", "run", "--headless"]
    given = [f"image={image}", f"outdir={out}"]
    return {
        "macro": [*fiji, str(EXAMPLES / "output_saving.ijm"), *given],
        "jython": [*fiji, str(EXAMPLES / "output_saving_jython.py"), *given],
        "fiji": [sys.executable, str(EXAMPLES / "output_saving_fiji.py"), str(image), str(out)],
        "python": [sys.executable, str(EXAMPLES / "output_saving.py"), str(image), str(out)],
        "shell": ["sh", str(EXAMPLES / "output_saving.sh"), str(image), str(out)],
    }


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Return 8-bit blobs: ImageJ scales other types before it makes a mask."""
    path = tmp_path_factory.mktemp("lesson") / "blobs of a lesson.tif"
    deep = sample_image()
    pixels = (deep.data / deep.data.max() * 255).astype(np.uint8)
    fb.write_image(fb.Image.from_array(pixels, deep.axes), path)
    return path


@pytest.fixture(scope="module")
def wanted(image):
    """Return the folder that the pure Python form made."""
    out = image.parent / "wanted"
    subprocess.run(commands(image, out)["python"], check=True, capture_output=True)
    return out


def records(path):
    with zipfile.ZipFile(path) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


@pytest.mark.imagej
@pytest.mark.parametrize("form", ["macro", "jython", "fiji", "python", "shell"])
def test_every_form_makes_the_same_files(form, image, wanted, imagej, tmp_path):
    out = tmp_path / "out put"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        commands(image, out)[form],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / "Results.tsv").read_bytes() == (wanted / "Results.tsv").read_bytes()
    assert records(out / "RoiSet.zip") == records(wanted / "RoiSet.zip")
    mine, theirs = fb.read_labels(out / "labels.tif"), fb.read_labels(wanted / "labels.tif")
    assert np.array_equal(mine.data, theirs.data)
    assert mine.data.max() > 100
