"""A host on the other side of a pipe: its image, ROIs and tables come and go as files.

Where Fiji runs without Python in its JVM, a shim hands over what a verb asks for as temporary
files, and opens what the verb would show.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from fijibridge.model import Image, ImageSource, Region, ResultsTable, Roi, RoiSet

__all__ = ["FileHost", "Needed"]


class Needed(BaseException):
    """The verb asked for something that the shim has not handed over yet.

    No `Exception`: on its way to the worker nobody may take it for a failure.

    Parameters
    ----------
    what
        ``image``, ``rois`` or ``results``.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class _Named:
    """A source under the title that its window has."""

    def __init__(self, source: ImageSource, name: str) -> None:
        self._source = source
        self.spec = replace(source.spec, name=name)

    def read(self, region: Region) -> np.ndarray:
        return self._source.read(region)

    def close(self) -> None:
        self._source.close()


class FileHost:
    """The `Host` of a shim.

    Parameters
    ----------
    given
        What the shim handed over: ``image``, ``selection``, ``rois``, ``results`` (files; None:
        there is none; absent: not asked for yet), ``threshold`` ("LOW,HIGH"), ``title``,
        ``directory``.
    common
        Where the folder of what is shown is made; None = the folder for temporary files.
    """

    def __init__(self, given: Mapping[str, Any], common: str | None = None) -> None:
        self._given = given
        self._common = common
        self.shown: list[dict[str, str]] = []
        self.folder: Path | None = None

    def _file(self, what: str) -> str | None:
        if what not in self._given:
            raise Needed(what)
        path = self._given[what]
        return None if path is None else str(path)

    def active_image(self) -> Image | None:
        from fijibridge.formats import read_image

        path = self._file("image")
        if path is None:
            return None
        image = read_image(path)
        name = str(self._given.get("title") or image.name)
        return type(image)(image.data, replace(image.spec, name=name))

    def active_source(self) -> ImageSource | None:
        from fijibridge.formats import open_image

        path = self._file("image")
        if path is None:
            return None
        source = open_image(path)
        return _Named(source, str(self._given.get("title") or source.spec.name))

    def active_folder(self) -> str | None:
        self._file("image")
        return self._given.get("directory") or None

    def selection(self) -> Roi | None:
        from fijibridge.formats import read_rois

        path = self._given.get("selection")
        found = None if path is None else read_rois(path)
        return found[0] if found is not None and len(found) else None

    def threshold(self) -> tuple[float, float] | None:
        text = self._given.get("threshold")
        if not text:
            return None
        low, _, high = str(text).partition(",")
        return float(low), float(high)

    def rois(self) -> RoiSet | None:
        from fijibridge.formats import read_rois

        path = self._file("rois")
        return None if path is None else read_rois(path)

    def results(self) -> ResultsTable | None:
        from fijibridge.formats import read_table

        path = self._file("results")
        return None if path is None else read_table(path)

    def clear_results(self) -> None:
        self.shown.append({"kind": "clear", "path": "", "title": ""})

    def show_image(self, image: Image) -> None:
        from fijibridge.formats import write_image, write_labels
        from fijibridge.model import LabelImage

        path = self._path("tif")
        if isinstance(image, LabelImage):
            write_labels(image, path)
        else:
            write_image(image, path)
        self._show("image", path, image.name)

    def show_table(self, table: ResultsTable) -> None:
        from fijibridge.formats import write_table

        path = self._path("tsv")
        write_table(table, path)
        self._show("table", path, table.name or "Results")

    def show_rois(self, rois: RoiSet) -> None:
        from fijibridge.formats import write_rois

        if len(rois):
            path = self._path("zip")
            write_rois(rois, path)
            self._show("rois", path, "RoiSet")

    def _path(self, suffix: str) -> Path:
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="fijibridge-", dir=self._common))
        return self.folder / f"{len(self.shown) + 1}.{suffix}"

    def _show(self, kind: str, path: Path, title: str) -> None:
        self.shown.append({"kind": kind, "path": str(path), "title": title})

    def remove(self) -> None:
        """Delete what was made to be shown; of a failed run nothing is shown."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None
        self.shown.clear()
