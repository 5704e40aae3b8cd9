"""Files and folders of tracks: names, staging several at once, errors of files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.formats._target import Staged, target_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["base_of", "of_file", "plain_path", "staged_all"]


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
