"""Displays for the bridge's tests, and ImageJ with our commands in it."""

from __future__ import annotations

import subprocess

import pytest


@pytest.fixture(scope="package")
def display(xvfb):
    """Return the name of an X display that lives as long as the bridge's tests."""
    server = subprocess.Popen(
        [xvfb, "-displayfd", "1", "-screen", "0", "1200x900x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


@pytest.fixture
def commanded(imagej):
    """Return the embedded ImageJ with our commands, nothing open and no Results."""
    from fijibridge.bridge.commands import register_commands

    register_commands()
    imagej.run_macro('close("*"); run("Clear Results");')
    imagej.java("ij.WindowManager").setTempCurrentImage(None)
    yield imagej
    imagej.run_macro('close("*"); run("Clear Results");')
    imagej.java("ij.WindowManager").setTempCurrentImage(None)
