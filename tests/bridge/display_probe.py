"""Open files in the real ImageJ with its real windows and take a picture of the screen.

Run under Xvfb: ``python display_probe.py SCREENSHOT IMAGE [ROIS]``; prints facts as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":  # beside pytest the folder tests is on the path already
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bridge.desk import Desk, probe


def main(screenshot: str, image: str, rois: str = "") -> None:
    from fijibridge.bridge._java import jimport, start_jvm

    start_jvm(headless=False)
    imagej = jimport("ij.ImageJ")()
    ij = jimport("ij.IJ")
    plus = ij.openImage(image)
    plus.show()
    facts = {"title": str(plus.getTitle()), "bits": int(plus.getBitDepth())}
    calibration = plus.getCalibration()
    facts["unit"] = str(calibration.getUnit())
    facts["pixel_width"] = float(calibration.pixelWidth)
    facts["color_lut"] = bool(plus.getProcessor().isColorLut())
    facts["display_range"] = [float(plus.getDisplayRangeMin()), float(plus.getDisplayRangeMax())]
    if rois:
        manager = jimport("ij.plugin.frame.RoiManager")()
        manager.open(rois)
        manager.runCommand("Show All")
        facts["rois"] = int(manager.getCount())
        manager.setLocation(700, 150)
        insides = []
        for roi in list(manager.getRoisAsArray())[:50]:
            plus.setRoi(roi)
            insides.append(float(plus.getStatistics().min))
        plus.deleteRoi()
        facts["smallest_pixel_in_rois"] = min(insides)
    imagej.setLocation(10, 10)
    plus.getWindow().setLocation(10, 150)
    desk = Desk(jimport, Path(screenshot).parent)
    desk.settle(plus.getWindow())
    desk.picture(screenshot)
    print(json.dumps(facts), flush=True)
    jimport("java.lang.System").exit(0)


if __name__ == "__main__":
    probe(main)
