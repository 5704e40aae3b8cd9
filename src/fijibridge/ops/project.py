"""``fb.IlastikProject``: a trained ilastik project, in Python and for the export engine."""

from __future__ import annotations

import functools
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError

if TYPE_CHECKING:
    from fijibridge.export.settings import ExportSettings
    from fijibridge.model import Image, ImageSource, ImageSpec, ResultsTable
    from fijibridge.model.project import Project
    from fijibridge.projects.objects import Objects

__all__ = ["FILTERS", "IlastikProject", "ProjectImage", "ProjectInput", "load_project"]

FILTERS = ("fastfilters", "vigra")
#: Files that do not say what their axes are.
_UNTAGGED = (".npy", ".npz")


def load_project(path: str | os.PathLike[str]) -> Project:
    """Return a project; one that did not change is read once.

    Raises
    ------
    FormatError
        When the file is missing, damaged, hostile, or no trained project.
    UnsupportedError
        When its workflow or its classifier does not run here.
    """
    try:
        about = Path(path).stat()
    except OSError:
        raise FormatError(f"There is no project {os.fspath(path)!r}.", "Check the path.") from None
    return _load(os.fspath(path), about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=4)
def _load(path: str, _time: int, _size: int) -> Project:
    from fijibridge.formats.ilp import read_project

    return read_project(path)


def _result(
    project: Project,
    raw: ImageSource,
    settings: ExportSettings,
    filters: str,
    mask: ImageSource | None,
    lane: int | None,
    second: ImageSource | None = None,
) -> ImageSource:
    from fijibridge.projects.run import RunSettings, open_result

    how = RunSettings(flavor=filters, exact=settings.exact, lane=lane)  # type: ignore[arg-type]  # checked
    return open_result(project, raw, settings.export_source, how, mask, second)


def _second(path: str, axes: str, settings: ExportSettings) -> ImageSource | None:
    from fijibridge.export.sources import open_input

    if not path:
        return None
    return open_input(path, replace(settings, role=None, input_axes=axes or None))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectInput:
    """A file that a project is run on; an input of the export engine, named as the file.

    Parameters
    ----------
    project
        Path of the project.
    input
        Path of the image, or a quoted pattern.
    mask
        Path of the prediction mask, "" for none.
    filters
        ``fastfilters`` or ``vigra``.
    own_axes
        Axes are those of the file, never those of the training images.
    second, second_axes
        Path of the image that objects come from, "" for none; its axes, "" = as it says.
    """

    project: str
    input: str
    mask: str = ""
    filters: str = "fastfilters"
    own_axes: bool = False
    second: str = ""
    second_axes: str = ""

    def __fspath__(self) -> str:
        return self.input

    def result_of(self, settings: ExportSettings, /) -> str:
        """Return the display name of the result that is exported."""
        from fijibridge.projects.run import find_source

        return find_source(load_project(self.project), settings.export_source)

    def open_raw(self, settings: ExportSettings, /) -> ImageSource:
        """Return the image."""
        from fijibridge.export.sources import open_input

        asked = replace(settings, role=None)
        source = open_input(self.input, asked)
        wanted = "" if self.own_axes else _trained_axes(load_project(self.project))
        forced = settings.exact or self.input.lower().endswith(_UNTAGGED)
        keys = source.spec.axes.keys
        if settings.input_axes is None and forced and len(wanted) == len(keys) and wanted != keys:
            source.close()
            source = open_input(self.input, replace(asked, input_axes=wanted))
        return source

    def open_result(self, settings: ExportSettings, /) -> ImageSource:
        """Return the result."""
        from fijibridge.export.sources import open_input

        project = load_project(self.project)
        raw = self.open_raw(settings)
        mask = None
        try:
            if self.mask:
                mask = open_input(self.mask, replace(settings, role=None, input_axes=None))
            lane = _lane(project, self.input)
            second = _second(self.second, self.second_axes, settings)
            return _result(project, raw, settings, self.filters, mask, lane, second)
        except BaseException:
            raw.close()
            raise

    def open_objects(self, settings: ExportSettings, /) -> tuple[Objects, int | None]:
        """Return the objects, and which image of the project it is."""
        raw = self.open_raw(settings)
        try:
            found = _objects(self, raw, settings)
        except BaseException:
            raw.close()
            raise
        return found, _lane(load_project(self.project), self.input)


def _objects(
    one: ProjectInput | ProjectImage, raw: ImageSource, settings: ExportSettings
) -> Objects:
    from fijibridge.projects.run import RunSettings, open_objects

    how = RunSettings(flavor=one.filters, exact=settings.exact)  # type: ignore[arg-type]  # checked
    second = _second(one.second, one.second_axes, settings)
    return open_objects(load_project(one.project), raw, how, second)


def _trained_axes(project: Project) -> str:
    known = [lane.axes for lane in project.lanes if lane.axes]
    return known[-1] if known else ""


def _lane(project: Project, image: str) -> int | None:
    """Return which image of the project a file is."""
    folder = Path(project.path).parent
    here = os.path.realpath(image)
    for i, lane in enumerate(project.lanes):
        path = lane.path.replace("\\", "/")
        if path and os.path.realpath(folder / path) == here:
            return i
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectImage:
    """An image in memory, or of a host, that a project is run on; see `ProjectInput`."""

    project: str
    image: ImageSource
    mask: str = ""
    filters: str = "fastfilters"
    second: str = ""
    second_axes: str = ""

    @property
    def spec(self) -> ImageSpec:
        """The image, which names the outputs."""
        return self.image.spec

    def result_of(self, settings: ExportSettings, /) -> str:
        """Return the display name of the result that is exported."""
        from fijibridge.projects.run import find_source

        return find_source(load_project(self.project), settings.export_source)

    def open_raw(self, _settings: ExportSettings, /) -> ImageSource:
        """Return the image."""
        return self.image

    def open_result(self, settings: ExportSettings, /) -> ImageSource:
        """Return the result."""
        from fijibridge.export.sources import open_input

        mask = None
        if self.mask:
            mask = open_input(self.mask, replace(settings, role=None, input_axes=None))
        project = load_project(self.project)
        second = _second(self.second, self.second_axes, settings)
        return _result(project, self.image, settings, self.filters, mask, None, second)

    def open_objects(self, settings: ExportSettings, /) -> tuple[Objects, int | None]:
        """Return the objects, and which image of the project it is."""
        return _objects(self, self.image, settings), None


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
            lane = _lane(self._project, path)
        else:
            keys = axes or self._axes_of_array(image)
            raw, lane = open_input(image, replace(settings, input_axes=keys)), None
        masked = None if mask is None else open_input(mask, replace(settings, input_axes=None))
        second = self._opened(objects, raw, settings)
        return _result(self._project, raw, settings, filters, masked, lane, second)

    def _opened(self, objects: Any, raw: ImageSource, settings: ExportSettings) -> Any:
        from fijibridge.export.sources import open_input

        if objects is None or isinstance(objects, (str, os.PathLike)):
            return None if objects is None else _second(os.fspath(objects), "", settings)
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
            lane = _lane(self._project, os.fspath(image))
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
        known = _trained_axes(self._project)
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
