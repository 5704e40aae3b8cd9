"""The embedded host: the real ImageJ 1.54p in this process, headless.

Source: shared facts of the bridge (how ImageJ starts without a display): the legacy patcher must
run before any ``ij.*`` class is loaded.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fijibridge.bridge._java import IMAGEJ_VERSION, jimport, start_jvm
from fijibridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EmbeddedImageJ", "start_embedded"]


@dataclass(frozen=True, slots=True)
class EmbeddedImageJ:
    """A running ImageJ.

    Parameters
    ----------
    version
        ImageJ's own, ``1.54p``.
    IJ
        The class ``ij.IJ``.
    """

    version: str
    IJ: Any

    def java(self, name: str) -> Any:
        """Return a Java class by its full name, such as ``ij.gui.Roi``."""
        return jimport(name)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep off the terminal what a headless ImageJ prints there: every row of Results."""
        system = jimport("java.lang.System")
        out = system.out
        system.setOut(jimport("java.io.PrintStream")(jimport("java.io.ByteArrayOutputStream")()))
        try:
            yield
        finally:
            system.setOut(out)

    def run_macro(self, code: str, argument: str = "") -> str:
        """Run an ImageJ macro and return what it returns.

        Raises
        ------
        BridgeError
            When the macro is aborted by an error; the text says which.
        """
        macros = jimport("ij.macro.Interpreter")
        interpreter = macros()
        self.IJ.redirectErrorMessages(True)
        try:
            with self.quiet():
                result = interpreter.run(code, argument)
        except jimport("java.lang.Throwable") as error:
            detail = interpreter.getErrorMessage() or error
            raise BridgeError(f"The macro failed: {str(detail).strip()}") from error
        message = self.IJ.getErrorMessage()
        if message is not None or str(result) == "[aborted]":
            detail = message if message is not None else interpreter.getErrorMessage()
            raise BridgeError(f"The macro failed: {str(detail).strip()}")
        return "" if result is None else str(result)


def start_embedded(mode: Literal["headless", "interactive"] = "headless") -> EmbeddedImageJ:
    """Start the real ImageJ in this process; the second call returns the first one's.

    Parameters
    ----------
    mode
        ``interactive`` opens its window and needs a display; it is decided by the first call.

    Raises
    ------
    BridgeError
        When there is no Java, the jars cannot be had, or it runs headless and windows are asked
        for.
    """
    found = _started(mode == "headless" or _headless_now())
    if mode == "interactive" and _headless_now():
        raise BridgeError(
            "This Python runs a headless ImageJ already, which can open no windows.",
            "Start a new Python and call fb.start_fiji(mode='interactive') first.",
        )
    return found


def _headless_now() -> bool:
    import jpype

    if not jpype.isJVMStarted():
        return False
    return bool(jimport("java.awt.GraphicsEnvironment").isHeadless())


@functools.cache
def _started(headless: bool) -> EmbeddedImageJ:  # a key of the cache
    start_jvm(headless=headless)
    try:
        if headless:
            jimport("net.imagej.patcher.LegacyInjector").preinit()
        else:
            jimport("ij.IJ")
    except TypeError:  # JPype's word for a class that is not on the class path
        raise BridgeError(
            "This Java runs without ImageJ's jars: it was started by something else, or another "
            "process was fetching the jars just then.",
            "Call fijibridge before anything else starts Java, or just try again.",
        ) from None
    ij = jimport("ij.IJ")
    version = str(ij.getVersion())
    if not version.startswith(IMAGEJ_VERSION):
        raise BridgeError(
            f"This Java already runs ImageJ {version}; fijibridge needs {IMAGEJ_VERSION}.",
            "Start it in a Python of its own.",
        )
    if not headless and ij.getInstance() is None:
        jimport("ij.ImageJ")()
    return EmbeddedImageJ(version=version, IJ=ij)
