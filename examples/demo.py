#!/usr/bin/env python3
"""Set everything up and run the main job on a generated image: ``examples/demo.py [DIR]``."""

from __future__ import annotations

import sys

import _bootstrap

if __name__ == "__main__":
    target = sys.argv[1:] or [str(_bootstrap.ROOT / "demo_output")]
    _bootstrap.go_on("fiji", ["-m", "fijibridge", "demo", *target])
