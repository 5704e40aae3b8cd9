"""Choose an installed command from the menu of the real ImageJ, with real windows and a mouse.

Run under Xvfb: ``python installed_probe.py IMAGEJ_FOLDER IMAGE OUT``; prints facts as JSON. Only
the mouse and the looking are done from here: the commands are ImageJ macros that know no Python.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path


def wait_for(what, seconds=120.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(what.__name__)


def main(folder: str, image: str, out: str) -> None:
    from fijibridge.bridge._java import jimport, start_jvm

    start_jvm(headless=False, options=(f"-Dplugins.dir={folder}",))
    imagej = jimport("ij.ImageJ")()
    imagej.setLocation(5, 5)
    ij, menus, windows = jimport("ij.IJ"), jimport("ij.Menus"), jimport("ij.WindowManager")
    robot = jimport("java.awt.Robot")()
    facts: dict[str, object] = {}

    def picture(name: str) -> None:
        time.sleep(0.7)
        screen = jimport("java.awt.Rectangle")(
            jimport("java.awt.Toolkit").getDefaultToolkit().getScreenSize()
        )
        shot = robot.createScreenCapture(screen)
        target = jimport("java.io.File")(str(Path(out) / f"{name}.png"))
        jimport("javax.imageio.ImageIO").write(shot, "png", target)

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

    def dialog():
        for window in jimport("java.awt.Window").getWindows():
            if "GenericDialog" in str(window.getClass().getName()) and window.isShowing():
                return window
        return None

    def press_ok(window) -> None:
        button = next(b for b in window.getButtons() if b is not None and b.getLabel() == "  OK  ")
        corner = button.getLocationOnScreen()
        robot.mouseMove(corner.x + button.getWidth() // 2, corner.y + button.getHeight() // 2)
        robot.mousePress(16)
        time.sleep(0.1)
        robot.mouseRelease(16)

    def status() -> str:
        return str(jimport("java.lang.System").getProperty("fijibridge.status"))

    def done() -> bool:
        return status() in {"ok", "error"}

    def settings(window) -> list:
        return list(window.getStringFields())

    def command(label: str, values: dict[int, str], name: str) -> None:
        jimport("java.lang.System").setProperty("fijibridge.status", "running")
        choose(label)
        window = wait_for(dialog)
        size = jimport("java.awt.Toolkit").getDefaultToolkit().getScreenSize()
        facts[f"{name} fits"] = bool(
            window.getWidth() <= size.width and window.getHeight() <= size.height
        )
        for index, text in values.items():
            settings(window)[index].setText(text)
        picture(name)
        press_ok(window)
        wait_for(done)
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
    picture("recorded")
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
    facts["last recorded"] = str(recorder.getText()).strip().splitlines()[-1]
    picture("windows")
    print(json.dumps(facts), flush=True)
    jimport("java.lang.System").exit(0)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException:  # noqa: BLE001  # windows' threads would keep the JVM
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
