"""Choose an installed command from the menu of the real ImageJ, with real windows and a mouse.

Run under Xvfb: ``python installed_probe.py IMAGEJ_FOLDER IMAGE OUT``; prints facts as JSON. Only
the mouse and the looking are done from here: the commands are ImageJ macros that know no Python.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":  # beside pytest the folder tests is on the path already
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bridge.desk import Desk, probe


def main(folder: str, image: str, out: str) -> None:
    from fijibridge.bridge._java import jimport, start_jvm

    start_jvm(headless=False, options=(f"-Dplugins.dir={folder}",))
    imagej = jimport("ij.ImageJ")()
    imagej.setLocation(5, 5)
    ij, menus, windows = jimport("ij.IJ"), jimport("ij.Menus"), jimport("ij.WindowManager")
    desk = Desk(jimport, out)
    facts: dict[str, object] = {}

    def menu():
        bar = menus.getMenuBar()
        tops = [bar.getMenu(i) for i in range(bar.getMenuCount())]
        plugins = next(m for m in tops if str(m.getLabel()) == "Plugins")
        for i in range(plugins.getItemCount()):
            if str(plugins.getItem(i).getLabel()) == "FijiBridge":
                return plugins.getItem(i)
        return None

    found = menu()
    items = [found.getItem(i) for i in range(found.getItemCount())]
    facts["menu"] = [str(item.getLabel()) for item in items]
    recorder = jimport("ij.plugin.frame.Recorder")(True)
    recorder.setLocation(5, 700)

    def choose(label: str) -> None:
        item = next(i for i in items if str(i.getLabel()) == label)
        event = jimport("java.awt.event.ActionEvent")(item, 1001, label)
        jimport("java.awt.Toolkit").getDefaultToolkit().getSystemEventQueue().postEvent(event)

    def status() -> str:
        return str(jimport("java.lang.System").getProperty("fijibridge.status"))

    def done() -> bool:
        return status() in {"ok", "error"}

    def settings(window) -> list:
        return list(window.getStringFields())

    def command(label: str, values: dict[int, str], name: str) -> None:
        jimport("java.lang.System").setProperty("fijibridge.status", "running")
        choose(label)
        window = desk.dialog("ij.gui.GenericDialog")
        size = desk.size()
        facts[f"{name} fits"] = bool(
            window.getWidth() <= size.width and window.getHeight() <= size.height
        )
        for index, text in values.items():
            settings(window)[index].setText(text)
        desk.settle(window)
        desk.picture(name)
        desk.press(window, "OK")
        desk.wait(done, f"{label} did not end")
        facts[f"{name} status"] = status()
        facts[f"{name} message"] = str(
            jimport("java.lang.System").getProperty("fijibridge.message")
        )

    # 1. a file, outputs into a folder; field 0 is input, by its place in the dialog
    first = json.loads((Path(out) / "fields.json").read_text())
    values = {first["input"]: image, first["size"]: "20-Infinity", first["outdir"]: f"{out}/a b"}
    values[first["threshold"]] = "Otsu dark"
    command("FijiBridge Particles...", values, "dialog")
    facts["recorded"] = str(recorder.getText()).strip().splitlines()
    desk.picture("recorded")
    line = next(text for text in facts["recorded"] if "FijiBridge Particles" in text)
    again = line.replace("a b", "again")
    ij.runMacro(again)
    facts["again status"] = status()

    # 2. the open image: nothing is named, results go to the windows
    plus = ij.openImage(image)
    plus.show()
    plus.getWindow().setLocation(400, 120)
    command("FijiBridge Particles...", {first["threshold"]: "Otsu dark"}, "active")
    manager = jimport("ij.plugin.frame.RoiManager").getInstance2()
    table = jimport("ij.measure.ResultsTable").getResultsTable()
    facts["windows"] = [str(title) for title in windows.getImageTitles()]
    facts["rois"] = int(manager.getCount()) if manager is not None else 0
    facts["rows"] = int(table.size())
    facts["active title"] = str(plus.getTitle())
    facts["presses"] = desk.presses
    facts["last recorded"] = str(recorder.getText()).strip().splitlines()[-1]
    desk.picture("windows")
    print(json.dumps(facts), flush=True)
    jimport("java.lang.System").exit(0)


if __name__ == "__main__":
    probe(main)
