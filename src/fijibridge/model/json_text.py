"""JSON that somebody else wrote: text nested without end is an error, never the end of Python.

From Python 3.12 on, json goes deeper than the main thread's stack reaches once a Java lives in the
process (Java guards the last part of that stack). Text that could be nested so deep is read by a
thread with a stack of its own.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["parse_json"]

_SHALLOW = 1000  # brackets; fewer cannot be nested too deep for any stack
_STACK = 64 << 20  # bytes; what is not used costs nothing
_starting = threading.Lock()


def parse_json(text: str | bytes, *, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """Return the value of a JSON text.

    Parameters
    ----------
    text
        The text; bytes are UTF-8, UTF-16 or UTF-32.
    parse_constant
        Called with ``NaN``, ``Infinity`` and ``-Infinity``; None = they are numbers.

    Raises
    ------
    ValueError
        When it is no JSON.
    RecursionError
        When it is nested too deep.

    Examples
    --------
    >>> parse_json('{"a": [1, NaN]}')
    {'a': [1, nan]}
    """
    opening = (
        text.count("[") + text.count("{")
        if isinstance(text, str)
        else (text.count(b"[") + text.count(b"{"))
    )
    if opening < _SHALLOW:
        return json.loads(text, parse_constant=parse_constant)
    found: list[Any] = []

    def parse() -> None:
        try:
            found.append(json.loads(text, parse_constant=parse_constant))
        except BaseException as error:  # noqa: BLE001  # raised again below
            found.append(error)

    with _starting:
        before = threading.stack_size(_STACK)
        try:
            thread = threading.Thread(target=parse)
            thread.start()
        finally:
            threading.stack_size(before)
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]
