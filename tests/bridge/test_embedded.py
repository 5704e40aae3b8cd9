"""The embedded host: the real ImageJ, its macros and their errors, and what it witnesses."""

from __future__ import annotations

import re
import zipfile

import pytest

from fijibridge.bridge import _java, witness
from fijibridge.errors import BridgeError

pytestmark = pytest.mark.imagej

CASES = ("s12_nested_rings", "s25_stack3", "s22_anisotropic_um")


def test_version_is_the_pinned_one(imagej):
    assert imagej.version.startswith(_java.IMAGEJ_VERSION)


def test_macro_answers_and_prints_nothing(imagej, capfd):
    code = 'newImage("a","8-bit black",9,9,1); run("Measure"); close("*"); return "" + nResults;'
    assert imagej.run_macro(code) == "1"
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("code", "text"),
    [("foo(", "Undefined identifier"), ('open("/no/such.tif");', "not found")],
)
def test_macro_error_is_an_error(imagej, code, text):
    with pytest.raises(BridgeError, match=text):
        imagej.run_macro(code)


@pytest.mark.parametrize("case", CASES)
def test_witness_repeats_the_golden_case(imagej, shared, case):
    folder = shared / "golden/imagej" / case
    macro = (folder / "run.ijm").read_text()
    (measurements,) = re.findall(r'run\("Set Measurements...", "(.*?)"\)', macro)
    (line,) = re.findall(r'run\("Analyze Particles...", "(.*?)"\)', macro)
    line = re.sub(r"show=\[.*?\] display clear add", "", line)
    found = witness.imagej_particles(
        folder / "input.tif", threshold="", options=line, measurements=measurements
    )
    assert found.table == (folder / "results.tsv").read_bytes()
    with zipfile.ZipFile(folder / "rois.zip") as golden:
        assert [f"{name}.roi" for name, _ in found.rois] == golden.namelist()
        assert all(golden.read(f"{name}.roi") == record for name, record in found.rois)
