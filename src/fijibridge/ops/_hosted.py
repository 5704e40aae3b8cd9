"""A verb inside a program with windows: what is open stands for what is not named.

Inputs that are not named are the active image, ROIs or Results; where no output is named, the
results are shown. Nothing of a verb is known here but what its `Operation` declares.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, SettingsError
from fijibridge.ops._kinds import FLAG
from fijibridge.ops._run import make_context, perform, split_options
from fijibridge.ops._settings import declared

if TYPE_CHECKING:
    from collections.abc import Callable

    from fijibridge.formats import Kind
    from fijibridge.model import Image
    from fijibridge.ops._host import Host
    from fijibridge.ops._operation import Operation, Report

__all__ = ["run_hosted"]

_SUFFIXES = {"image": ".tif", "labels": "_RoiSet.zip", "rois": "_labels.tif", "table": ".tsv"}
_MAIN_TABLE = "_Results"
_MISSING = {
    "image": "No image is open.",
    "labels": "No label image is open.",
    "rois": "There are no ROIs: none in the ROI Manager, no overlay, no selection.",
    "table": "The Results table is empty.",
}


def run_hosted(
    verb: str,
    values: Mapping[str, Any],
    host: Host,
    *,
    progress: Callable[[int, int, str], None] = lambda _done, _all, _what: None,
) -> Report:
    """Run a verb with a host.

    Parameters
    ----------
    verb
        Its name.
    values
        Settings, of the verb and common ones; any door's types.
    host
        The program with windows.
    progress
        Called with (done, all, what) while jobs run.

    Raises
    ------
    FijiBridgeError
        As through every other door; also when something must be open and is not.
    """
    from fijibridge.ops import operation

    found = operation(verb)
    given = _by_name(found, values)
    planned = FLAG.parse(given.get("dry_run", False), "dry_run")
    if "clear" in str(given.get("options", "")).split() and not planned:
        host.clear_results()
    with tempfile.TemporaryDirectory(prefix="fijibridge-") as folder:
        return _Hosted(found, given, host, Path(folder), progress).run()


def _by_name(found: Operation, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values under the settings' own names; empty texts are as if left out."""
    names = {n: item.name for item in declared(found.settings) for n in (item.name, *item.aliases)}
    given: dict[str, Any] = {}
    for key, value in values.items():
        if value in ("", None):
            continue
        name = names.get(key.replace("-", "_"), key)
        if name in given and given[name] != value:
            raise SettingsError(f"The setting {name!r} is given twice, with different values.")
        given[name] = value
    return given


class _Hosted:
    """One run."""

    def __init__(
        self,
        found: Operation,
        given: dict[str, Any],
        host: Host,
        folder: Path,
        progress: Callable[[int, int, str], None],
    ) -> None:
        self.operation = found
        self.values = given
        self.host = host
        self.folder = folder
        self.progress = progress
        self.images: list[Any] = []  # in place of paths
        self.kind = ""  # what stands for the main input
        self.name = ""

    def run(self) -> Report:
        """Stage, run, show."""
        named_output = any(name in self.values for name in self.operation.targets)
        self._check()
        main = next(iter(self.operation.opens), None)
        if main is not None and not self._has_input(main):
            self._stage(main)
        else:
            self._name_of_input()
        self._stage_others(main)
        asks_itself = main is None and not self._has_input("input")
        shown = bool(self.operation.shows) and not named_output and not asks_itself
        if shown:
            self._lead_to_folder()
        elif self.images or self.kind:
            self._keep_beside()
        report = self._perform()
        if shown and not report.dry_run and not report.script:
            self._show(report)
            report = dataclasses.replace(report, outputs=())
        return self._without_folder(report)

    def _without_folder(self, report: Report) -> Report:
        """Return the report without the names of files that are gone in a moment."""
        gone = [f"{self.folder / 'shown'}{os.sep}", f"{self.folder}{os.sep}"]
        jobs = {}
        for title, job in report.jobs.items():
            line = job.line
            if self.images and line.startswith(title):
                line = self.name + line[len(title) :]
            key = self.name if self.images else _cut(title, gone)
            jobs[key] = dataclasses.replace(job, line=_cut(line, gone), data=_cut(job.data, gone))
        return dataclasses.replace(report, jobs=jobs, notes=_cut(report.notes, gone))

    def _check(self) -> None:
        """Refuse wrong words before anything is staged; a missing input is not one yet."""
        items = {item.name: item for item in declared(self.operation.settings)}
        stand_ins = {n: "x" for n, item in items.items() if item.required and n not in self.values}
        if set(stand_ins) <= set(self.operation.opens):
            split_options(self.operation, {**self.values, **stand_ins})

    def _has_input(self, main: str) -> bool:
        """Return whether an input is named: the main one, a pattern, or another list of files."""
        lists = {item.name for item in declared(self.operation.settings) if item.kind.many}
        return not {main, "each", *lists}.isdisjoint(self.values)

    def _name_of_input(self) -> None:
        from fijibridge.ops._inputs import nickname

        value = self.values.get(next(iter(self.operation.opens), "input"))
        self.name = nickname(value) if isinstance(value, str) else "image"

    def _stage(self, setting: str) -> None:
        """Let what is open stand for the main input."""
        kinds = self.operation.opens[setting]
        if self.operation.plan_values is not None:
            source = self.host.active_source()
            if source is None:
                raise SettingsError(_MISSING["image"], f"Open one, or give {setting}=[FILE].")
            self.images, self.kind = [source], "image"
            self.name = _safe(source.spec.name)
            return
        for kind in self._ordered(kinds):
            path = self._staged(kind)
            if path is not None:
                self.values[setting] = str(path)
                self.kind = kind
                return
        raise SettingsError(
            " ".join(_MISSING[kind] for kind in kinds if kind != "labels" or "image" not in kinds),
            f"Open one, or give {setting}=[FILE].",
        )

    def _ordered(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """Return the kinds, that first which the named output is made of."""
        wanted = self._kinds_for_output()
        return tuple(sorted(kinds, key=lambda k: wanted.index(k) if k in wanted else len(wanted)))

    def _kinds_for_output(self) -> tuple[str, ...]:
        target = self.values.get("output")
        if not isinstance(target, str):
            return ()
        from fijibridge.formats import Location, format_for_writing

        where = Location.parse(target)
        order: dict[Kind, tuple[str, ...]] = {
            "image": ("image",), "rois": ("rois", "labels"), "table": ("table",)
        }  # fmt: skip
        for kind, first in order.items():
            try:
                format_for_writing(where, kind, self.values.get("to"))
            except FijiBridgeError:
                continue
            return first
        return ()

    def _staged(self, kind: str) -> Path | None:
        from fijibridge.formats import write_rois, write_table

        if kind in ("image", "labels"):
            return self._staged_image(labels=kind == "labels")
        image = self.host.active_image() if kind == "rois" else None
        self.name = _safe(image.name) if image is not None else "Results"
        if kind == "rois":
            rois = self.host.rois()
            if not rois:
                return None
            path = self.folder / f"{self.name}.zip"
            write_rois(rois, path)
            return path
        table = self.host.results()
        if table is None:
            return None
        path = self.folder / f"{self.name}.tsv"
        write_table(table, path)
        return path

    def _staged_image(self, *, labels: bool) -> Path | None:
        from fijibridge.formats import write_image, write_labels
        from fijibridge.ops._inputs import to_labels

        image = self.host.active_image()
        if image is None or (labels and not self._is_labels(image)):
            return None
        self.name = _safe(image.name)
        path = self.folder / f"{self.name}.tif"
        if labels:
            write_labels(to_labels(image), path)
        else:
            write_image(image, path)
        return path

    def _is_labels(self, image: Image) -> bool:
        from fijibridge.ops._inputs import has_label_colors, looks_like_labels

        role = self.values.get("role")
        if role is not None:
            return bool(role == "labels")
        if image.spec.role == "labels" or has_label_colors(image.spec):
            return True
        if image.spec.extra.rgb or image.axes.size("c") > 1:
            return False
        whole = image.reorder("tzyx").data
        return looks_like_labels(whole[0, 0])

    def _stage_others(self, main: str | None) -> None:
        """Let what is open stand for the other inputs, where the main one was open too."""
        for setting, kinds in self.operation.opens.items():
            if setting == main or setting in self.values or not self.kind:
                continue
            if setting == "like" and (self.kind != "rois" or "shape" in self.values):
                continue
            if setting == "like" and "rois" in self._kinds_for_output():
                continue
            name = self.name
            folder, self.folder = self.folder, self.folder / setting
            self.folder.mkdir()
            path = self._staged(kinds[0])
            self.folder, self.name = folder, name
            if path is not None:
                self.values[setting] = str(path)

    def _lead_to_folder(self) -> None:
        out = self.folder / "shown"
        out.mkdir()
        kind = self.kind or self._kind_of_file()
        fields = {
            "{folder}": str(out),
            "{name}": "{name}" if "each" in self.values else self.name,
            "{suffix}": _SUFFIXES.get(kind, ".tif") if self.kind else _KEPT.get(kind, ".tif"),
        }
        for setting, pattern in self.operation.shows.items():
            for field, text in fields.items():
                pattern = pattern.replace(field, text)  # noqa: PLW2901  # one by one
            self.values[setting] = pattern
        self.values["no_settings"] = True

    def _kind_of_file(self) -> str:
        """Return what the input file holds."""
        from fijibridge.formats import Location, format_for_reading

        value = self.values.get(next(iter(self.operation.opens), "input"))
        kinds: tuple[Kind, ...] = ("image", "rois", "table")
        for kind in kinds:
            try:
                format_for_reading(Location.parse(str(value)), kind)
            except FijiBridgeError:
                continue
            return kind
        return "image"

    def _keep_beside(self) -> None:
        """Leave no record: what is open is no file; and name outputs by the folder it came from."""
        self.values["no_settings"] = True
        pattern = self.values.get(
            "output_filename_format", "{dataset_dir}/{nickname}_{result_type}"
        )
        if self.images and "{dataset_dir}" in str(pattern):
            beside = self.host.active_folder()
            if beside is None:
                raise SettingsError(
                    "The active image came from no file, so there is no folder beside it.",
                    "Give output_filename_format=[FOLDER/NAME].",
                )
            self.values["output_filename_format"] = str(pattern).replace("{dataset_dir}", beside)

    def _perform(self) -> Report:
        mine, options = split_options(self.operation, self.values)
        found = self.operation
        if self.images:
            assert found.plan_values is not None  # noqa: S101  # `_stage` asked
            run = partial(_with_values, found.plan_values, self.images)
            found = dataclasses.replace(found, run=run)
        context = make_context(found, options, host=self.host, progress=self.progress)
        return perform(found, mine, context)

    def _show(self, report: Report) -> None:
        from fijibridge.formats import (
            Location,
            format_for_reading,
            read_image,
            read_labels,
            read_rois,
            read_table,
        )

        for path in report.outputs:
            where = Location.parse(path)
            kinds: list[Kind] = []
            every: tuple[Kind, ...] = ("table", "rois", "image")
            for kind in every:
                try:
                    format_for_reading(where, kind)
                except FijiBridgeError:
                    continue
                kinds.append(kind)
            stem = Path(path).stem
            if "table" in kinds:
                main = stem.endswith(_MAIN_TABLE)
                name = "Results" if main else stem
                self.host.show_table(dataclasses.replace(read_table(path), name=name))
            elif "image" in kinds:
                image = read_image(path)
                if image.spec.role == "labels" or stem.endswith("_labels"):
                    image = read_labels(path)
                self.host.show_image(image)
            elif kinds:
                self.host.show_rois(read_rois(path))


def _cut(value: Any, gone: list[str]) -> Any:
    """Return JSON values or texts without some folders."""
    if isinstance(value, str):
        for folder in gone:
            value = value.replace(folder, "")
        return value
    if isinstance(value, Mapping):
        return {key: _cut(item, gone) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cut(item, gone) for item in value)
    return value


_KEPT = {"image": ".tif", "rois": ".zip", "table": "_Results.tsv"}


def _with_values(plan_values: Any, images: list[Any], value: Any, context: Any) -> Any:
    return plan_values(images, value, context)


def _safe(name: str) -> str:
    """Return a title as the name of a file, without a suffix."""
    stem = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", name).strip(" .")
    head, dot, tail = stem.rpartition(".")
    if dot and head and len(tail) <= 5 and tail.isalnum():
        stem = head
    return stem[:120] or "image"
