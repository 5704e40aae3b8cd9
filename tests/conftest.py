"""What every test may ask for: the golden cases, the real ImageJ, how many random cases."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
settings.register_profile(
    # the same cases every time: a change is judged by what it changes; --full looks for new ones
    "quick",
    max_examples=20,
    deadline=None,
    suppress_health_check=_SLOW,
    derandomize=True,
)
settings.register_profile("full", max_examples=500, deadline=None, suppress_health_check=_SLOW)
FULL = os.environ.get("FIJIBRIDGE_TESTS") == "full"
settings.load_profile("full" if FULL else "quick")


#: (file, line) -> number of random cases asked for there
_COUNTS: dict[tuple[str, int], int] = {}


def count(quick: int, full: int) -> int:
    """Number of random cases: `quick` by default, `full` with ``tests/run.py --full``."""
    caller = sys._getframe(1)
    chosen = full if FULL else quick
    _COUNTS[Path(caller.f_code.co_filename).name, caller.f_lineno] = chosen
    return chosen


pytest.count = count  # type: ignore[attr-defined]  # tests reach it without importing conftest


def pytest_report_header() -> str:
    """Say which profile runs."""
    return f"fijibridge profile: {'full' if FULL else 'quick'} (tests/run.py --full runs all cases)"


def pytest_sessionfinish(session) -> None:
    """Hand the numbers of a worker process to the process that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counts"] = [[*place, n] for place, n in _COUNTS.items()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    """Take the numbers of a worker process."""
    for name, line, number in getattr(node, "workeroutput", {}).get("counts", ()):
        _COUNTS[name, line] = number


def pytest_terminal_summary(terminalreporter) -> None:
    """Say how many random cases ran, file by file."""
    files: dict[str, list[int]] = {}
    for (name, _), cases in sorted(_COUNTS.items()):
        files.setdefault(name, []).append(cases)
    terminalreporter.section("random cases per property, where a test names its own number")
    for name, numbers in files.items():
        terminalreporter.write_line(f"{name}: {', '.join(map(str, numbers))}")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of golden cases beside the checkout."""
    folder = ROOT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip("golden cases are not here: there is no folder ../shared beside the checkout")
    return folder


@pytest.fixture(scope="session")
def imagej():
    """Return the real ImageJ 1.54p, embedded and headless: an `EmbeddedImageJ`."""
    from fijibridge.bridge.embedded import start_embedded
    from fijibridge.errors import BridgeError

    try:
        return start_embedded()
    except BridgeError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the real ImageJ cannot start here: {error}")


@pytest.fixture(scope="session")
def xvfb() -> str:
    """Return the path of Xvfb."""
    found = shutil.which("Xvfb")
    if found is None:
        pytest.skip("Xvfb is not installed (Debian: apt-get install xvfb)")
    return found
