"""``fb.IlastikProject``: a trained ilastik project in Python."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.ops._project_inputs import (
    FILTERS,
    ProjectInput,
    lane_of,
    load_project,
    result_image,
    second_image,
    trained_axes,
)

if TYPE_CHECKING:
    from fijibridge.export.settings import ExportSettings
    from fijibridge.model import Image, ImageSource, ResultsTable

__all__ = ["IlastikProject"]


class IlastikProject:
    """A trained ilastik project (Pixel Classification, Autocontext or Object Classification).

    Parameters
    ----------
    path
        The ``.ilp`` file.

    Raises
    ------
    FormatError
        When the file is missing, damaged, hostile, or no trained project.
    UnsupportedError
        When its workflow or its classifier does not run here.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.abspath(path)  # noqa: PTH100  # links are kept
        self._project = load_project(self._path)

    def __repr__(self) -> str:
        names = ", ".join(self.label_names)
        return f"IlastikProject({self._path!r}, {self.workflow}, labels {names})"

    @property
    def workflow(self) -> str:
        """ilastik's name of the workflow."""  # noqa: D403  # a name
        return self._project.workflow

    @property
    def version(self) -> str:
        """The ilastik that saved it."""
        return self._project.version

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels of the last stage, in the order of the channels."""
        return (self._project.objects or self._project.stages[-1]).names

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the results, as ilastik's export calls them."""
        from fijibridge.projects.run import source_names

        return source_names(self._project)

    @property
    def default_source(self) -> str:
        """The probabilities of the last stage; of objects the predictions."""
        if self._project.objects is not None:
            return "Object Predictions"
        stages = len(self._project.stages)
        return "Probabilities" if stages == 1 else f"Probabilities Stage {stages}"

    def open(
        self,
        image: Any,
        source: str | None = None,
        *,
        axes: str | None = None,
        mask: Any = None,
        objects: Any = None,
        filters: str = "fastfilters",
    ) -> ImageSource:
        """Return a result lazily: pixels are computed when they are read.

        Parameters
        ----------
        image
            Path, `Image` or other source, or array.
        source
            One of `sources`, any case; None = `default_source`.
        axes
            Letters of the axes, C order; left out, as the file says, for an array as in training.
        mask
            Prediction mask: probabilities are 0 where it is 0.
        objects
            Of Object Classification: the image that objects come from (probabilities, segmentation
            or labels, as the project wants), a path, `Image` or array with the axes of the image.
        filters
            ``vigra`` for projects of an ilastik that had no fastfilters.

        Returns
        -------
        ImageSource
            The axes of the image with channels last.

        Raises
        ------
        SettingsError
            When there is no such source, or the image does not fit the project.
        """
        from fijibridge.export.settings import ExportSettings
        from fijibridge.export.sources import open_input

        if filters not in FILTERS:
            raise SettingsError(f"filters is {filters!r}; allowed are {', '.join(FILTERS)}.")
        wanted = source if source is not None else self.default_source
        settings = ExportSettings(input_axes=axes, export_source=wanted)
        if isinstance(image, (str, os.PathLike)):
            path = os.fspath(image)
            raw = ProjectInput(project=self._path, input=path).open_raw(settings)
            lane = lane_of(self._project, path)
        else:
            keys = axes or self._axes_of_array(image)
            raw, lane = open_input(image, replace(settings, input_axes=keys)), None
        masked = None if mask is None else open_input(mask, replace(settings, input_axes=None))
        second = self._opened(objects, raw, settings)
        return result_image(self._project, raw, settings, filters, masked, lane, second)

    def _opened(self, objects: Any, raw: ImageSource, settings: ExportSettings) -> Any:
        from fijibridge.export.sources import open_input

        if objects is None or isinstance(objects, (str, os.PathLike)):
            return None if objects is None else second_image(os.fspath(objects), "", settings)
        keys, count = raw.spec.axes.keys, len(getattr(objects, "shape", ()))
        if count == len(keys) - 1:
            keys = keys.replace("c", "")
        elif count == len(keys) + 1:
            keys += "c"
        return open_input(objects, replace(settings, role=None, input_axes=keys))

    def table(
        self,
        image: Any,
        objects: Any = None,
        *,
        axes: str | None = None,
        filters: str = "fastfilters",
    ) -> ResultsTable:
        """Return the table of the objects of an image; parameters as in `open`.

        Returns
        -------
        ResultsTable
            ilastik's columns in a fixed order: ids, labels, class, probabilities, the features that
            the forest looks at in its order, bounding box, centre and size; coordinates are
            x, y(, z) in pixels.
        """
        from fijibridge.export.settings import ExportSettings
        from fijibridge.export.sources import open_input
        from fijibridge.projects.object_table import table_of
        from fijibridge.projects.run import RunSettings, open_objects

        settings = ExportSettings(input_axes=axes)
        lane = None
        if isinstance(image, (str, os.PathLike)):
            raw = ProjectInput(project=self._path, input=os.fspath(image)).open_raw(settings)
            lane = lane_of(self._project, os.fspath(image))
        else:
            raw = open_input(
                image, replace(settings, input_axes=axes or self._axes_of_array(image))
            )
        how = RunSettings(flavor=filters)  # type: ignore[arg-type]  # checked below
        second = self._opened(objects, raw, settings)
        found = open_objects(self._project, raw, how, second)
        try:
            return table_of(found, lane)
        finally:
            found.close()

    def _axes_of_array(self, array: Any) -> str | None:
        known = trained_axes(self._project)
        return known if len(getattr(array, "shape", ())) == len(known) else None

    def predict(
        self,
        image: Any,
        source: str | None = None,
        *,
        axes: str | None = None,
        mask: Any = None,
        objects: Any = None,
        filters: str = "fastfilters",
        jobs: int = 0,
    ) -> Image:
        """Return a result as a whole image; parameters as in `open`.

        Parameters
        ----------
        jobs
            Threads; 0 = one a core. The result does not depend on it.

        Returns
        -------
        Image
            Probabilities: float32, 0 to 1, one channel a label, last axis c. Segmentation: uint8,
            label numbers from 1.
        """
        found = self.open(image, source, axes=axes, mask=mask, objects=objects, filters=filters)
        try:
            return _whole(found, jobs)
        finally:
            found.close()


def _whole(source: ImageSource, jobs: int) -> Image:
    """Read an image with several threads, tile by tile."""
    import numpy as np

    from fijibridge.model import Image, Region

    shape = source.spec.shape
    out = np.empty(shape, source.spec.dtype)
    tile = getattr(source, "chunks", shape)
    starts = itertools.product(*(range(0, n, c) for n, c in zip(shape, tile, strict=True)))

    def one(start: tuple[int, ...]) -> None:
        stop = tuple(min(a + c, n) for a, c, n in zip(start, tile, shape, strict=True))
        region = Region(start, stop)
        out[region.slices] = source.read(region)

    with ThreadPoolExecutor(jobs or min(8, os.cpu_count() or 1)) as pool:
        for done in [pool.submit(one, start) for start in starts]:
            done.result()
    return Image(out, source.spec)
