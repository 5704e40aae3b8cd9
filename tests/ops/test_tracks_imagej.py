"""ROI sets of tracks in the real ImageJ: choosing one shows its frame and selects its object."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

import fijibridge as fb

pytestmark = pytest.mark.imagej


def movie(keys):
    """Blocks with a hole and a second part, several labels a plane; one plane holds none."""
    rng = np.random.default_rng(len(keys))
    shape = {"t": 5, "z": 3, "y": 20, "x": 30}
    data = np.zeros([shape[k] for k in keys], np.uint16)
    planes = data.reshape(-1, 20, 30)
    for n, plane in enumerate(planes):
        if n == 3:
            continue
        for label in rng.choice(np.arange(1, 60), 4, replace=False).tolist():
            y, x = rng.integers(0, 15), rng.integers(0, 25)
            plane[y : y + 5, x : x + 5] = label
            plane[rng.integers(0, 20), rng.integers(0, 30)] = label
            plane[y + 2, x + 2] = 0
    return fb.LabelImage.from_array(data, keys, name="labels")


def tracked(labels):
    """A track of each label, through all frames that it is in."""
    data = labels.reorder("tzyx").data
    rows = [(t, v) for t in range(len(data)) for v in np.unique(data[t]).tolist() if v]
    frame, label = np.array(rows).T
    return fb.Tracks.from_track_ids(frame, label, label)


@pytest.mark.parametrize("keys", ["tyx", "tzyx"])
def test_choosing_an_roi_selects_its_object_in_its_frame(imagej, tmp_path, keys):
    import jpype

    labels = movie(keys)
    rois = fb.track_rois(tracked(labels), labels)
    fb.write_labels(labels, tmp_path / "labels.tif")
    fb.write_rois(rois, tmp_path / "tracks.zip")
    image = imagej.java("ij.IJ").openImage(str(tmp_path / "labels.tif"))
    assert image.getNFrames() == 5
    with zipfile.ZipFile(tmp_path / "tracks.zip") as archive:
        records = [archive.read(name) for name in archive.namelist()]
    assert len(records) == len(rois) > 10
    data = labels.reorder("tzyx").data
    order = []
    for roi, record in zip(rois, records, strict=True):
        raw = jpype.JArray(jpype.JByte)(np.frombuffer(record, np.int8))
        chosen = imagej.java("ij.io.RoiDecoder").openFromByteArray(raw)
        # as the ROI Manager goes to the place of an ROI that is chosen
        if chosen.hasHyperStackPosition():
            image.setPosition(chosen.getCPosition(), chosen.getZPosition(), chosen.getTPosition())
        else:
            image.setSlice(chosen.getPosition())
        image.setRoi(chosen)
        t, z = int(image.getT()), int(image.getZ())
        label = int(roi.properties["label"])
        assert str(chosen.getName()) == roi.name
        assert int(chosen.getGroup()) == roi.group
        inside = {(int(p.y), int(p.x)) for p in chosen.getContainedPoints()}
        want = set(zip(*(v.tolist() for v in np.nonzero(data[t - 1, z - 1] == label)), strict=True))
        assert inside == want
        order.append((int(roi.properties["lineage"]), int(roi.properties["track"]), t, z))
    assert order == sorted(order)
    image.close()
