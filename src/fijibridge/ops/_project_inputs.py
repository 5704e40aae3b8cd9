"""What a trained project is run on: files and images, as inputs of the export engine."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fijibridge.errors import FormatError

if TYPE_CHECKING:
    from fijibridge.export.settings import ExportSettings
    from fijibridge.model import ImageSource, ImageSpec
    from fijibridge.model.project import Project
    from fijibridge.projects.objects import Objects

__all__ = [
    "FILTERS",
    "ProjectImage",
    "ProjectInput",
    "lane_of",
    "load_project",
    "result_image",
    "second_image",
    "trained_axes",
]

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


def result_image(
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


def second_image(path: str, axes: str, settings: ExportSettings) -> ImageSource | None:
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
        wanted = "" if self.own_axes else trained_axes(load_project(self.project))
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
            lane = lane_of(project, self.input)
            second = second_image(self.second, self.second_axes, settings)
            return result_image(project, raw, settings, self.filters, mask, lane, second)
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
        return found, lane_of(load_project(self.project), self.input)


def _objects(
    one: ProjectInput | ProjectImage, raw: ImageSource, settings: ExportSettings
) -> Objects:
    from fijibridge.projects.run import RunSettings, open_objects

    how = RunSettings(flavor=one.filters, exact=settings.exact)  # type: ignore[arg-type]  # checked
    second = second_image(one.second, one.second_axes, settings)
    return open_objects(load_project(one.project), raw, how, second)


def trained_axes(project: Project) -> str:
    known = [lane.axes for lane in project.lanes if lane.axes]
    return known[-1] if known else ""


def lane_of(project: Project, image: str) -> int | None:
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
        second = second_image(self.second, self.second_axes, settings)
        return result_image(project, self.image, settings, self.filters, mask, None, second)

    def open_objects(self, settings: ExportSettings, /) -> tuple[Objects, int | None]:
        """Return the objects, and which image of the project it is."""
        return _objects(self, self.image, settings), None
