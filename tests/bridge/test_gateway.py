"""start_fiji: one object, values go through and come back."""

from __future__ import annotations

import numpy as np
import pytest

from fijibridge.bridge.gateway import start_fiji
from fijibridge.errors import SettingsError
from fijibridge.model import Image, Roi, RoiSet


@pytest.mark.imagej
def test_macro_and_values(imagej, monkeypatch):
    monkeypatch.delenv("FIJI_DIR", raising=False)
    fiji = start_fiji()
    assert fiji.run_macro('return "" + (1 + 2);') == "3"
    image = Image.from_array(np.eye(5, dtype=np.uint8), "yx", name="eye")
    np.testing.assert_array_equal(fiji.from_imagej(fiji.to_imagej(image)).data, image.data)
    rois = RoiSet([Roi(kind="oval", bounds=(1, 2, 3, 4), name="o")])
    assert fiji.from_imagej(fiji.to_imagej(rois)).names == ("o",)
    assert fiji.from_imagej(fiji.to_imagej(rois[0])).kind == "oval"
    with pytest.raises(SettingsError, match="no ImageJ counterpart"):
        fiji.to_imagej(3)
    with pytest.raises(SettingsError, match="no counterpart"):
        fiji.from_imagej("text")


def test_a_folder_that_is_no_fiji_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no Fiji folder"):
        start_fiji(tmp_path)
