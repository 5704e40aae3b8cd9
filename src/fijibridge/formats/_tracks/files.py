"""Files and folders of tracks: names, staging several at once, errors of files."""

from __future__ import annotations

import contextlib
import tempfile
from array import array
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.formats._target import Staged, target_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Shelf", "base_of", "of_file", "plain_path", "staged_all"]


def base_of(path: Path, *suffixes: str) -> Path:
    """Return the base name that ilastik's plug-ins append their suffix to.

    Examples
    --------
    >>> from pathlib import Path
    >>> base_of(Path("d/a.csv"), ".csv"), base_of(Path("d/a.b"), ".csv")
    (PosixPath('d/a'), PosixPath('d/a.b'))
    """
    for suffix in suffixes:
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return path.with_name(path.name[: -len(suffix)])
    return path


def plain_path(base: Path, suffix: str) -> Path:
    """Return the base with a suffix appended; dots in the base are kept."""
    return base.with_name(base.name + suffix)


@contextlib.contextmanager
def staged_all(paths: Mapping[str, Path], *, overwrite: bool) -> Iterator[dict[str, Path]]:
    """Yield a place beside each path; all become their targets when the block ends well."""
    stages: dict[str, Staged] = {}
    try:
        for what, path in paths.items():
            stages[what] = Staged(path, overwrite=overwrite)
        with target_errors(next(iter(paths.values()))):
            yield {what: stage.path for what, stage in stages.items()}
        for stage in stages.values():
            stage.commit()
    except BaseException:
        for stage in stages.values():
            stage.abort()
        raise


@contextlib.contextmanager
def of_file(path: Path, what: str) -> Iterator[None]:
    """Turn faults that are found in a file into one FormatError that names it."""
    try:
        yield
    except SettingsError as error:
        raise FormatError(
            f"{str(path)!r} is no sound {what}: {error.message}", error.hint
        ) from None
    except FijiBridgeError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        line = str(error).strip().split("\n")[0]
        raise FormatError(
            f"{str(path)!r} is no readable {what}: {line.rstrip('.')}.",
            "Copy it again from its source.",
        ) from error


class Shelf:
    """Lines that are made in one order and written in another; they wait in a hidden file.

    Parameters
    ----------
    folder
        Where that file is.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by `close`
        self._keys = array("q")
        self._sizes = array("q")

    def put(self, group: int, t: int, line: bytes) -> None:
        """Keep a line of a group and frame."""
        self._keys.extend((group, t))
        self._sizes.append(len(line))
        self._file.write(line)

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (group, t, line) in order; where a group has several of a frame, the last one."""
        keys = np.array(self._keys, np.int64).reshape(-1, 2)
        sizes = np.array(self._sizes, np.int64)
        starts = np.cumsum(sizes) - sizes
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        same = (keys[order][1:] == keys[order][:-1]).all(axis=1)
        for i in order[np.append(~same, True)[: len(order)]].tolist():
            self._file.seek(int(starts[i]))
            group, t = keys[i].tolist()
            yield group, t, self._file.read(int(sizes[i]))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
