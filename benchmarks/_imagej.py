"""The real ImageJ 1.54p as a peer: Analyze Particles and ROI files, in the same process.

Its loops are a small Java class, compiled when a benchmark starts, so that ImageJ is never charged
for calls from Python.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fijibridge.bridge.embedded import start_embedded

#: All measurements of Set Measurements.
ALL = (
    "AREA", "MEAN", "STD_DEV", "MODE", "MIN_MAX", "CENTROID", "CENTER_OF_MASS", "PERIMETER",
    "RECT", "ELLIPSE", "SHAPE_DESCRIPTORS", "FERET", "INTEGRATED_DENSITY", "MEDIAN", "SKEWNESS",
    "KURTOSIS", "AREA_FRACTION",
)  # fmt: skip


class ImageJ:
    """A warm ImageJ: all measurements, count mask and ROIs collected as the ROI Manager would."""

    def __init__(self) -> None:
        self.ij = start_embedded()
        j = self.ij.java
        measurements = j("ij.measure.Measurements")
        self.all = 0
        for name in ALL:
            self.all |= int(getattr(measurements, name))
        self.options = int(j("ij.plugin.filter.ParticleAnalyzer").SHOW_ROI_MASKS)
        j("ij.Prefs").blackBackground = True
        self.loops = self._compiled()

    def _compiled(self) -> Any:
        j = self.ij.java
        compiler = j("javax.tools.ToolProvider").getSystemJavaCompiler()
        if compiler is None:
            raise SystemExit("The benchmarks compile a small Java class: point JAVA_HOME at a JDK.")
        source = Path(__file__).with_name("PeerLoops.java")
        folder = tempfile.mkdtemp()
        jars = str(j("java.lang.System").getProperty("java.class.path"))
        failed = compiler.run(None, None, None, "-cp", jars, "-d", folder, str(source))
        assert failed == 0
        url = j("java.io.File")(folder).toURI().toURL()
        loader = j("java.net.URLClassLoader")([url], j("ij.IJ").class_.getClassLoader())
        import jpype

        return jpype.JClass(loader.loadClass("PeerLoops"))

    def plus(self, image: np.ndarray, low: float | None = None, high: float = 255) -> Any:
        """Return an ImagePlus of an 8-bit image, with a threshold when `low` is given."""
        import jpype

        j = self.ij.java
        pixels = jpype.JArray(jpype.JByte)(image.view(np.int8).ravel())
        processor = j("ij.process.ByteProcessor")(image.shape[1], image.shape[0], pixels)
        if low is not None:
            processor.setThreshold(low, high, j("ij.process.ImageProcessor").NO_LUT_UPDATE)
        return j("ij.ImagePlus")("image", processor)

    def analyze(self, plus: Any) -> int:
        """Run Analyze Particles; return the number of rows."""
        return int(self.loops.analyze(plus, self.options, self.all))

    def analyze_all(self, pluses: Any) -> int:
        """Run Analyze Particles on many images, one call each; return the number of rows."""
        return int(self.loops.analyzeAll(pluses, self.options, self.all))

    def array(self, pluses: list[Any]) -> Any:
        """Return a Java array of images."""
        import jpype

        return jpype.JArray(self.ij.java("ij.ImagePlus"))(pluses)
