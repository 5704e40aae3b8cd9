"""The verbs inside a Fiji that Python started; prints facts as JSON.

``python fiji_probe.py MODE FIJI_DIR IN OUT``: MODE is headless, or interactive or shims (under
Xvfb), IN holds what `verb_lines` writes, the outputs of each door go to OUT/DOOR.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

if __name__ == "__main__":  # beside pytest the folder tests is on the path already
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bridge import verb_lines


def main(mode: str, fiji_dir: str, source: str, target: str) -> None:
    from fijibridge.bridge.gateway import start_fiji

    start = time.monotonic()
    fiji = start_fiji(fiji_dir, mode=mode)
    facts: dict[str, object] = {"host": fiji.host, "seconds": time.monotonic() - start}
    facts["version"] = fiji.version
    facts["commands"] = list(fiji.commands)
    if mode == "shims":
        _shims(fiji, f"{source}/i.tif", facts)
        print(json.dumps(facts), flush=True)
        fiji.imagej.java("java.lang.Runtime").getRuntime().halt(0)
    _doors(fiji, Path(source), Path(target), facts)
    facts["errors"] = _errors(fiji)
    facts["values"] = _values(fiji)
    if mode == "interactive":
        _windows(fiji, f"{source}/i.tif", facts)
    else:
        facts["open_image"] = _open_image(fiji)
    print(json.dumps(facts), flush=True)
    fiji.imagej.java("java.lang.Runtime").getRuntime().halt(0)


def _labels() -> dict[str, str]:
    from fijibridge.bridge.commands import commands

    return {found.name: label for label, found in commands().items()}


def _doors(fiji, source: Path, target: Path, facts: dict[str, object]) -> None:
    labels = _labels()
    status: dict[str, list[str]] = {"macro": [], "jython": [], "module": []}
    infos = {str(i.getName()): i for i in fiji.ij.module().getModules()}
    for verb, keys in verb_lines.lines(source, target / "macro"):
        code = f'run("{labels[verb]}", "{keys}"); return call("ij.plugin.FijiBridge.status");'
        status["macro"].append(fiji.run_macro(code))
    for verb, keys in verb_lines.lines(source, target / "jython"):
        code = (
            "#@output String status\nfrom ij import IJ\nfrom ij.plugin import FijiBridge\n"
            f'IJ.run("{labels[verb]}", u"{keys}")\nstatus = FijiBridge.status()\n'
        )
        done = fiji.ij.py.run_script("Python (Jython)", code)
        status["jython"].append(str(done.getOutput("status")))
    boolean = fiji.imagej.java("java.lang.Boolean")
    for verb, keys in verb_lines.lines(source, target / "module"):
        inputs = fiji.imagej.java("java.util.HashMap")()
        for key, value in verb_lines.module_inputs(verb, keys).items():
            inputs.put(key, boolean(value) if isinstance(value, bool) else value)
        done = fiji.ij.module().run(infos[f"fijibridge:{verb}"], True, inputs).get()
        status["module"].append("ok" if done.getOutput("ok") else str(done.getOutput("message")))
    facts["status"] = status


def _errors(fiji) -> list[str]:
    code = 'run("FijiBridge Particles...", "sise=3"); return call("ij.plugin.FijiBridge.{}");'
    return [fiji.run_macro(code.format(what)) for what in ("status", "message")]


def _values(fiji) -> dict[str, object]:
    from fijibridge.model import Axes, Extra, Image, LabelImage

    rng = np.random.default_rng(0)
    found: dict[str, object] = {}
    for dtype in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
                  "float32", "float64"):  # fmt: skip
        raw = rng.integers(0, 256, (2, 3, 2, 5, 6 * np.dtype(dtype).itemsize), np.uint8)
        axes = Axes.of("tzcyx", (2, 3, 2, 5, 6), scale={"x": 0.5, "y": 0.25, "z": 2.0, "t": 3.0},
                       unit={"x": "um", "y": "um", "z": "um", "t": "second"})  # fmt: skip
        image = Image.from_array(raw.view(dtype), axes, name="all")
        same = []
        for kind in ("imgplus", "dataset"):
            back = fiji.from_imagej(fiji.to_imagej(image, kind=kind))
            same.append(
                back.data.dtype == image.data.dtype
                and back.data.tobytes() == image.data.tobytes()
                and back.axes.keys == "tzcyx"
                and all(
                    (back.axes[k].scale, back.axes[k].unit) == (axes[k].scale, axes[k].unit)
                    for k in "tzyx"
                )
                and back.name == "all"
            )
        found[dtype] = same
    colors = Image.from_array(
        rng.integers(0, 256, (5, 6, 3)).astype(np.uint8), "yxc", extra=Extra(rgb=True)
    )
    dataset = fiji.to_imagej(colors, kind="dataset")
    dataset.setRGBMerged(True)
    back = fiji.from_imagej(dataset)
    found["rgb"] = bool((back.reorder("yxc").data == colors.data).all() and back.spec.extra.rgb)
    labels = LabelImage.from_array(rng.integers(0, 2**31, (4, 5)).astype(np.uint32), "yx")
    back = fiji.from_imagej(fiji.to_imagej(labels, kind="dataset"), role="labels")
    found["labels"] = bool((back.data == labels.data).all())
    plus = fiji.to_imagej(Image.from_array(np.arange(60, dtype=np.uint16).reshape(3, 4, 5), "zyx"))
    dataset = fiji.ij.convert().convert(plus, fiji.imagej.java("net.imagej.Dataset").class_)
    back = fiji.from_imagej(dataset)
    found["legacy"] = bool((back.data == np.arange(60).reshape(3, 4, 5)).all())
    return found


def _open_image(fiji) -> str:
    code = """
        newImage("a b", "8-bit black", 60, 60, 1); setColor(200); fillRect(5, 5, 10, 10);
        run("FijiBridge Particles...", "threshold=100,255");
        return call("ij.plugin.FijiBridge.status") + nResults;
    """
    return fiji.run_macro(code)


def _shims(fiji, image: str, facts: dict[str, object]) -> None:
    """Call the installed Jython command, not ours, while windows are open: nothing may ask."""
    fiji.ij.ui().showUI()
    label = "FijiBridge Particles..."
    table = fiji.imagej.java("ij.Menus").getCommands()
    found = {str(i.getMenuPath().getLeaf()): i for i in fiji.ij.script().getScripts()}
    table.put(label, found[label].getIdentifier())
    code = f"""
        call("java.lang.System.setProperty", "fijibridge.status", "none");
        run("{label}", "input=[{image}] threshold=100,255 dry_run");
        return call("java.lang.System.getProperty", "fijibridge.status");
    """
    facts["shim"] = fiji.run_macro(code)


def _windows(fiji, image: str, facts: dict[str, object]) -> None:
    fiji.ij.ui().showUI()
    from fijibridge.bridge.commands import register_commands

    register_commands()
    menus = fiji.imagej.java("ij.Menus")
    end = time.monotonic() + 30
    while menus.getMenuBar() is None and time.monotonic() < end:
        time.sleep(0.1)
    bar = menus.getMenuBar()
    plugins = next(m for m in (bar.getMenu(i) for i in range(bar.getMenuCount()))
                   if str(m.getLabel()) == "Plugins")  # fmt: skip
    ours = [m for m in (plugins.getItem(i) for i in range(plugins.getItemCount()))
            if str(m.getLabel()) == "FijiBridge"]  # fmt: skip
    facts["menus"] = len(ours)
    facts["menu"] = [str(ours[0].getItem(i).getLabel()) for i in range(ours[0].getItemCount())]
    manager = fiji.imagej.java("ij.plugin.frame.RoiManager").getRoiManager()
    manager.addRoi(fiji.imagej.java("ij.gui.Roi")(1, 2, 3, 4))
    code = f"""
        open("{image}"); run("FijiBridge Particles...", "threshold=100,255");
        return call("ij.plugin.FijiBridge.status") + "," + nResults + "," + roiManager("count");
    """
    facts["window"] = fiji.run_macro(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
