"""The ilastik that the user has, for workflows that do not run natively.

It is started once for all inputs, with ilastik's own flags, and writes HDF5 into a folder of its
own; what it wrote is checked, and exported from there as if it had been computed here. Files that
only ilastik writes (counts, plug-ins, tables) are written where they are asked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.ops._ilastik_objects import needs_classifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.export.settings import ExportSettings
    from fijibridge.model import ImageSource
    from fijibridge.ops._ilastik_words import IlastikSettings

__all__ = [
    "ROLES",
    "ExecutedInput",
    "Folder",
    "command_of",
    "executable_for",
    "run_ilastik",
    "side_files",
]

_VARIABLE = "ILASTIK_EXECUTABLE"
_ON_PATH = ("run_ilastik.sh", "ilastik")
_USUAL = (
    ("/opt", "ilastik-*/run_ilastik.sh"),
    ("~", "ilastik-*/run_ilastik.sh"),
    ("/usr/local", "ilastik-*/run_ilastik.sh"),
    ("/Applications", "ilastik-*.app/Contents/ilastik-release/run_ilastik.sh"),
    ("C:/Program Files", "ilastik-*/ilastik.exe"),
)
#: Workflow, as it begins -> the result that is exported when none is named.
_FIRST = {
    "Edge Training With Multicut": "Multicut Segmentation",
    "Multicut": "Multicut Segmentation",
    "Cell Density Counting": "Probabilities",
    "Pixel Classification": "Probabilities",
    "AutocontextTwoStage": "Probabilities Stage 2",
    "Object Classification": "Object Predictions",
    "Neural Network": "Probabilities",
    "Manual Tracking": "Manual Tracking",
    "Automatic Tracking": "Tracking-Result",
    "Structured Learning": "Tracking-Result",
    "Conservation Tracking": "Tracking-Result",
}
ROLES = (
    *("prediction_mask", "segmentation_image", "label_image", "prediction_maps"),
    *("probabilities", "probabilitie_maps", "binary_image"),
)
_TEXTS = ("export_plugin", "input_axes")
_FILES = ("table_filename", "csv_export_file")
_LINES = 20


def executable_for(value: IlastikSettings) -> str | None:
    """Return the ilastik that runs the project; None = it runs natively.

    Raises
    ------
    UnsupportedError
        When it needs ilastik and there is none.
    SettingsError
        When what is named is none.
    """
    if value.engine == "native":
        return None
    if value.engine == "executable":
        found = _find(value)
        if found is None:
            raise UnsupportedError(
                "--engine executable needs ilastik, and none was found.", _where_to_look()
            )
        return found
    try:
        _check_native(value)
    except UnsupportedError as error:
        found = _find(value)
        if found is None:
            hint = f"{error.hint} {_where_to_look()}".strip()
            raise UnsupportedError(error.message, hint) from None
        return found
    return None


def _check_native(value: IlastikSettings) -> None:
    from fijibridge.ops._project_inputs import load_project
    from fijibridge.projects.object_features import check_features

    objects = load_project(value.project).objects
    if objects is not None and needs_classifier(value):
        check_features(objects.features)


def _where_to_look() -> str:
    return (
        "Install ilastik (ilastik.org) and name it: --ilastik_executable run_ilastik.sh, "
        f"or {_VARIABLE}."
    )


def _find(value: IlastikSettings) -> str | None:
    for said, named in (
        ("--ilastik_executable", value.ilastik_executable),
        (_VARIABLE, os.environ.get(_VARIABLE)),
    ):
        if named:
            path = Path(named).expanduser()
            if path.is_dir():
                path = path / "run_ilastik.sh"
            if not path.is_file() or not os.access(path, os.X_OK):
                raise SettingsError(
                    f"{said} is {named!r}, which is no program.",
                    "Name run_ilastik.sh (or ilastik.exe) in the folder of ilastik.",
                )
            return os.path.abspath(path)  # noqa: PTH100  # links are kept
    for name in _ON_PATH:
        found = shutil.which(name)
        if found:
            return found
    for folder, pattern in _USUAL:
        places = sorted(Path(folder).expanduser().glob(pattern), reverse=True)
        if places:
            return str(places[0])
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedInput:
    """What ilastik made of an input; an input of the export engine, named as the file.

    Parameters
    ----------
    input
        Path of the image.
    result
        Path of what ilastik wrote.
    name
        Display name of the result.
    folder
        Keeps the folder of the result until nobody needs it.
    """

    input: str
    result: str
    name: str
    folder: Folder

    def __fspath__(self) -> str:
        return self.input

    def result_of(self, _settings: ExportSettings, /) -> str:
        """Return the display name of the result that is exported."""
        return self.name

    def open_result(self, _settings: ExportSettings, /) -> ImageSource:
        """Return the result."""
        from fijibridge.formats import open_image

        return open_image(self.result)


class Folder:
    """A folder that goes when nobody needs it any more."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="fijibridge-ilastik-")
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def side_files(value: IlastikSettings) -> list[str]:
    """Return the files that ilastik writes itself, besides images."""
    return [os.path.abspath(path) for name in _FILES if (path := getattr(value, name))]  # noqa: PTH100


def command_of(
    program: str, value: IlastikSettings, inputs: Sequence[str], target: str
) -> list[str]:
    """Return ilastik's command line.

    Parameters
    ----------
    program
        The executable.
    value
        The settings.
    inputs
        Paths of the images.
    target
        Name of the results, with ``{nickname}``.
    """
    words = [program, "--headless", f"--project={os.path.abspath(value.project)}"]  # noqa: PTH100
    if value.export_source:
        words.append(f"--export_source={value.export_source}")
    if value.export_source.lower() == "plugin":
        if not value.export_plugin:
            raise SettingsError(
                "--export_source Plugin needs a plug-in.", "Add --export_plugin CSV-Table"
            )
        words.append(f"--output_filename_format={value.output_filename_format}")
    else:
        words += ["--output_format=hdf5", f"--output_filename_format={target}"]
        words.append("--output_internal_path=exported_data")
    words += [f"--{name}={getattr(value, name)}" for name in _TEXTS if getattr(value, name)]
    for name in ("big_data_viewer_xml_file", "configfile", *_FILES):
        if getattr(value, name):  # ilastik knows the one only with dashes, the others without
            flag = "csv-export-file" if name == "csv_export_file" else name
            words.append(f"--{flag}={os.path.abspath(getattr(value, name))}")  # noqa: PTH100
    words += ["--ignore_training_axistags"] if value.ignore_training_axistags else []
    words += ["--table_only"] if value.table_only else []
    words += ["--raw_data", *map(_absolute, inputs)]
    for name in ROLES:
        if getattr(value, name):
            words += [f"--{name}", *map(_absolute, getattr(value, name))]
    return words


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path.removeprefix("file://")))  # noqa: PTH100, PTH111


def run_ilastik(
    program: str, value: IlastikSettings, values: Sequence[Any], *, quiet: bool
) -> list[ExecutedInput]:
    """Run ilastik on images; its words go to stderr and to the log file.

    Parameters
    ----------
    program
        The executable.
    value
        The settings.
    values
        Paths, or images in memory (written for it first).
    quiet
        Its words are shown only when it fails.

    Returns
    -------
    list
        What it made of each; none when it was asked for tables or plug-ins only.

    Raises
    ------
    FormatError
        When it fails, or did not write what it was asked for.
    """
    from fijibridge.export.places import name_of

    folder = Folder()
    inputs = [_on_disk(one, i, folder.path) for i, one in enumerate(values)]
    nicknames = [name_of(path, i, exact=True).nickname for i, path in enumerate(inputs)]
    alike = {n for n in nicknames if nicknames.count(n) > 1}
    if alike:
        raise SettingsError(
            f"ilastik names results by the inputs, and several are named {alike.pop()!r}.",
            "Run them one by one.",
        )
    out = Path(folder.path, "results")
    out.mkdir()
    command = command_of(program, value, inputs, str(out / "{nickname}.h5"))
    last = _stream(command, value, quiet=quiet)
    missing = [path for path in side_files(value) if not _written(path)]
    if missing:
        raise FormatError(f"ilastik ended well but did not write {missing[0]!r}.", last)
    if value.table_only or value.export_source.lower() == "plugin":
        return []
    made = []
    name = value.export_source or _first_result(value.project)
    for path, nickname in zip(inputs, nicknames, strict=True):
        result = _result_of(out, nickname, alone=len(inputs) == 1)
        if result is None:
            raise FormatError(f"ilastik ended well but wrote no result of {path!r}.", last)
        one = ExecutedInput(input=path, result=result, name=name, folder=folder)
        _check_result(one, path)
        made.append(one)
    return made


def _on_disk(one: Any, number: int, folder: str) -> str:
    if isinstance(one, (str, os.PathLike)):
        return _absolute(os.fspath(one))
    from fijibridge.formats import write_image

    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in (one.spec.name or "image"))
    path = f"{folder}/{number}_{name}.h5/data"
    write_image(one, path)
    return path


def _written(path: str) -> bool:
    """Whether there is a file so named, or one that ilastik named after it."""
    place = Path(path)
    return place.exists() or any(place.parent.glob(f"{place.stem}_*{place.suffix}"))


def _result_of(out: Path, nickname: str, *, alone: bool) -> str | None:
    exact = out / f"{nickname}.h5"
    if exact.exists():
        return f"{exact}/exported_data"
    found = sorted(out.glob("*.h5"))
    return f"{found[0]}/exported_data" if alone and len(found) == 1 else None


def _check_result(one: ExecutedInput, path: str) -> None:
    from fijibridge.formats import open_image

    try:
        source = open_image(one.result)
        shape = source.spec.shape
        source.close()
    except FijiBridgeError as error:
        raise FormatError(
            f"What ilastik wrote of {path!r} cannot be read: {error.message}", error.hint
        ) from None
    if 0 in shape:
        raise FormatError(f"What ilastik wrote of {path!r} is empty (shape {shape}).")


def _first_result(project: str) -> str:
    from fijibridge.formats.ilp import workflow_of

    workflow = workflow_of(project)
    return next((name for w, name in _FIRST.items() if workflow.startswith(w)), "Result")


def _stream(command: Sequence[str], value: IlastikSettings, *, quiet: bool) -> str:
    """Run a command; return its last lines."""
    environment = dict(os.environ)
    if value.jobs > 0:
        environment["LAZYFLOW_THREADS"] = str(value.jobs)
    if value.memory != 1 << 28:
        environment["LAZYFLOW_TOTAL_RAM_MB"] = str(max(1, value.memory >> 20))
    last: deque[str] = deque(maxlen=_LINES)
    logs = [path for path in {value.logfile, value.redirect_output} if path]
    try:
        process = subprocess.Popen(  # noqa: S603  # what the user named
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    except OSError as error:
        raise FormatError(
            f"ilastik cannot be started: {error}.", f"Tried {command[0]!r}."
        ) from None
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    try:
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            last.append(line)
            if not quiet:
                print(f"ilastik: {line}", file=sys.stderr, flush=True)  # noqa: T201  # its log
            for path in logs:
                with Path(path).open("a", encoding="utf-8") as log:
                    log.write(line + "\n")
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
    said = " / ".join(line for line in last if line.strip())[-600:]
    if code != 0:
        raise FormatError(f"ilastik ended with the code {code}.", f"It said: {said}")
    return f"It said: {said}" if said else ""
