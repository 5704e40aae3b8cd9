#!/usr/bin/env python3
"""Set everything up and run the tests: ``python3 tests/run.py [--full] [pytest arguments]``.

The default is the quick profile: everything is touched, with fewer random cases. ``--full`` runs
the numbers of cases that the project promises. Two processes share the test files, where there are
two processors; ``-n 0`` runs them in one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))
import _bootstrap  # noqa: E402  # it lies beside the examples

if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--full"]
    full = {"FIJIBRIDGE_TESTS": "full"} if "--full" in sys.argv[1:] else {}
    # more processes gain little: each starts a Java and compiles what is not compiled yet
    workers = str(min(2, os.cpu_count() or 1))
    share = ["-n", workers, "--dist", "loadfile"]
    pytest = ["-m", "pytest", "--rootdir", str(ROOT), *share, *arguments]
    _bootstrap.go_on("test", pytest, **full)
