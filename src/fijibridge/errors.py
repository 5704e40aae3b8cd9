"""Every deliberate error of fijibridge.

::

    FijiBridgeError
    ├── SettingsError          (ValueError)    exit 2   the caller's fault: a setting, a target
    ├── FormatError            (ValueError)    exit 3   the file's fault: missing, broken, a lie
    ├── UnsupportedError       (TypeError)     exit 4   too much for a format or tool
    ├── BridgeError            (RuntimeError)  exit 5   Java, ImageJ or Fiji
    └── MissingDependencyError (ImportError)   exit 4   an optional package is not installed

The first sentence stands alone (a macro user sees only that): what was wrong, the value, what is
allowed. The hint says what to type next.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BridgeError",
    "FijiBridgeError",
    "FormatError",
    "MissingDependencyError",
    "SettingsError",
    "UnsupportedError",
    "nearest",
]


class FijiBridgeError(Exception):
    """Base of all deliberate errors.

    Parameters
    ----------
    message
        What was wrong, the value, what is allowed.
    hint
        What to do or type next.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class SettingsError(FijiBridgeError, ValueError):
    """A setting, flag, key or target is wrong."""

    exit_code = 2


class FormatError(FijiBridgeError, ValueError):
    """A file is missing, broken, hostile, or not what its name says."""

    exit_code = 3


class UnsupportedError(FijiBridgeError, TypeError):
    """The format or tool cannot hold or do what is asked."""

    exit_code = 4


class MissingDependencyError(FijiBridgeError, ImportError):
    """An optional package is not installed."""

    exit_code = 4

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the Python package {package!r}, which is not installed.",
            f"Type: pip install 'fijibridge[{extra}]'",
        )


class BridgeError(FijiBridgeError, RuntimeError):
    """Java, ImageJ or Fiji could not start or answered with an error."""

    exit_code = 5


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest allowed word, or an empty string.

    Examples
    --------
    >>> nearest("threshhold", ["threshold", "size"])
    " Did you mean 'threshold'?"
    >>> nearest("zzz", ["threshold"])
    ''
    """
    lowered = {name.lower(): name for name in allowed}
    found = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.5)
    return f" Did you mean {lowered[found[0]]!r}?" if found else ""
