#!/usr/bin/env python3
"""Set everything up and run the tests: ``python3 tests/run.py [--full] [pytest arguments]``.

The default is the quick profile: everything is touched, with fewer random cases. ``--full`` runs
the numbers of cases that the project promises.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))
import _bootstrap  # noqa: E402  # it lies beside the examples

if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--full"]
    full = {"FIJIBRIDGE_TESTS": "full"} if "--full" in sys.argv[1:] else {}
    _bootstrap.go_on("test", ["-m", "pytest", "--rootdir", str(ROOT), *arguments], **full)
