"""Images, ROIs and tables opened together in Fiji, or in the embedded ImageJ's own windows.

The windows live in a process of their own, which ends when the user closes ImageJ.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import BridgeError, FijiBridgeError, FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fijibridge.bridge.gateway import Fiji
    from fijibridge.formats import Kind

__all__ = ["Viewed", "main", "start_windows", "view"]

_PATIENCE = 180.0  # seconds until windows must be there
_POLL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewed:
    """What was opened.

    Parameters
    ----------
    images, tables
        Titles of the windows.
    rois
        Number of ROIs.
    where
        Where the ROIs are: ``manager`` or ``overlay``.
    version
        ImageJ's.
    process
        Id of the process that has the windows.
    """

    images: tuple[str, ...]
    tables: tuple[str, ...]
    rois: int
    where: str
    version: str
    process: int


def view(
    files: Sequence[str], *, fiji: str | None = None, overlay: bool = False, wait: bool = False
) -> Viewed:
    """Open files in windows and return once they are there.

    Parameters
    ----------
    files
        Images, label masks, ROI sets and tables, of any format.
    fiji
        A Fiji folder; None = ``FIJI_DIR``, the usual places, else the embedded ImageJ.
    overlay
        Draw ROIs as the overlay of the first image, in place of the ROI Manager.
    wait
        Return when the user has closed ImageJ.

    Raises
    ------
    BridgeError
        When there is no display, or ImageJ does not start.
    FormatError
        When a file cannot be read.
    """
    if not (os.environ.get("DISPLAY") or sys.platform in {"win32", "darwin"}):
        raise BridgeError(
            "There is no display, so no windows can be opened.",
            "Set DISPLAY, or type: xvfb-run -a fijibridge view …",
        )
    with tempfile.TemporaryDirectory(prefix="fijibridge-") as folder:
        ready = Path(folder) / "ready.json"
        spec = {
            "files": [os.path.abspath(path) for path in files],  # noqa: PTH100  # as typed
            "fiji": fiji,
            "overlay": overlay,
            "ready": str(ready),
        }
        process = subprocess.Popen(  # this Python, this package
            [sys.executable, "-P", "-X", "utf8", "-m", "fijibridge.bridge.view"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101  # asked for above
        with process.stdin as stream:
            stream.write(json.dumps(spec).encode())
        found = _await(process, ready)
    if wait:
        process.wait()
    return found


def _await(process: subprocess.Popen[bytes], ready: Path) -> Viewed:
    end = time.monotonic() + _PATIENCE
    while not ready.is_file():
        if process.poll() is not None:
            raise BridgeError(
                f"ImageJ ended with the code {process.returncode} before its windows were there.",
                "Type: fijibridge doctor",
            )
        if time.monotonic() > end:
            process.kill()
            raise BridgeError(f"ImageJ's windows were not there after {_PATIENCE:.0f} s.")
        time.sleep(_POLL)
    body = json.loads(ready.read_text(encoding="utf-8"))
    if "error" in body:
        process.wait()
        kind = FormatError if body["type"] == "FormatError" else BridgeError
        raise kind(body["error"], body["hint"])
    return Viewed(
        images=tuple(body["images"]),
        tables=tuple(body["tables"]),
        rois=body["rois"],
        where=body["where"],
        version=body["version"],
        process=process.pid,
    )


def start_windows(fiji: str | None = None) -> Fiji:
    """Start Fiji or the embedded ImageJ with its windows in this process, commands in the menu."""
    from fijibridge.bridge._java import jimport, start_jvm
    from fijibridge.bridge.commands import register_commands
    from fijibridge.bridge.doctor import find_fiji
    from fijibridge.bridge.embedded import EmbeddedImageJ
    from fijibridge.bridge.gateway import Fiji, start_fiji

    if fiji is not None or find_fiji() is not None:
        host = start_fiji(fiji, mode="interactive")
    else:
        start_jvm(headless=False)
        ij = jimport("ij.IJ")
        if ij.getInstance() is None:
            jimport("ij.ImageJ")()
        host = Fiji(host="embedded", imagej=EmbeddedImageJ(version=str(ij.getVersion()), IJ=ij))
    register_commands()
    return host


def _kind(path: str) -> Kind:
    from fijibridge.formats import Location, format_for_reading

    kinds: tuple[Kind, ...] = ("table", "image", "rois")
    where, refused = Location.parse(path), None
    for kind in kinds:
        try:
            format_for_reading(where, kind)
        except FijiBridgeError as error:
            refused = error
            continue
        return kind
    assert refused is not None  # noqa: S101  # the loop ends by `return` or after an error
    raise refused


def _open(files: Sequence[str], *, overlay: bool) -> dict[str, Any]:
    from fijibridge.bridge._java import jimport
    from fijibridge.bridge.convert_objects import roi_to_java
    from fijibridge.bridge.host import ImageJHost
    from fijibridge.formats import read_image, read_labels, read_rois, read_table

    host = ImageJHost()
    windows = jimport("ij.WindowManager")
    groups: dict[Kind, list[str]] = {"image": [], "rois": [], "table": []}
    for path in files:
        groups[_kind(path)].append(path)
    images = []
    for path in groups["image"]:
        image = read_image(path)
        if image.spec.role == "labels":
            image = read_labels(path)
        host.show_image(image)
        images.append(windows.getCurrentImage())
    count = 0
    for path in groups["rois"]:
        rois = read_rois(path)
        count += len(rois)
        if not (overlay and images):
            host.show_rois(rois)
            continue
        drawn = images[0].getOverlay() or jimport("ij.gui.Overlay")()
        for roi in rois:
            drawn.add(roi_to_java(roi))
        images[0].setOverlay(drawn)
    if images:  # what the ROIs belong to is in front
        windows.setCurrentWindow(images[0].getWindow())
        images[0].getWindow().toFront()
    manager = jimport("ij.plugin.frame.RoiManager").getInstance2()
    if manager is not None and images and not overlay:
        manager.runCommand(images[0], "Show All")
    tables = []
    for i, path in enumerate(groups["table"]):
        name = "Results" if i == 0 else Path(path).name
        host.show_table(dataclasses.replace(read_table(path), name=name))
        tables.append(name)
    return {
        "images": [str(plus.getTitle()) for plus in images],
        "tables": tables,
        "rois": count,
        "where": "overlay" if overlay and images else "manager",
    }


def _show(spec: Mapping[str, Any]) -> dict[str, Any]:
    host = start_windows(spec["fiji"])
    return {**_open(spec["files"], overlay=spec["overlay"]), "version": host.version}


def main() -> int:
    """Open what the JSON text on stdin says, and stay until ImageJ is closed."""
    spec = json.loads(sys.stdin.read())
    ready = Path(spec["ready"])
    try:
        body = _show(spec)
    except FijiBridgeError as error:
        body = {"error": error.message, "hint": error.hint, "type": type(error).__name__}
    except Exception as error:  # noqa: BLE001  # the parent has to tell it
        body = {"error": f"ImageJ could not show it: {error}", "hint": "", "type": "BridgeError"}
    part = ready.with_suffix(".part")
    part.write_text(json.dumps(body), encoding="utf-8")
    part.replace(ready)
    if "error" in body:
        return 5
    from fijibridge.bridge._java import jimport

    ij = jimport("ij.IJ")
    with contextlib.suppress(KeyboardInterrupt):
        while ij.getInstance() is not None:
            time.sleep(0.5)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # windows' threads would keep the JVM
