"""A command chosen from the menu of the real ImageJ: dialog, run, recorder line, and that again.

Run under Xvfb: ``python menu_probe.py FOLDER``; screenshots go there, facts are printed as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

if __name__ == "__main__":  # beside pytest the folder tests is on the path already
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bridge.desk import Desk, probe


def main(folder: str) -> None:
    from fijibridge.bridge._java import jimport, start_jvm
    from fijibridge.bridge.commands import register_commands

    start_jvm(headless=False)
    imagej = jimport("ij.ImageJ")()
    ij, menus = jimport("ij.IJ"), jimport("ij.Menus")
    register_commands()
    register_commands()  # again: the menu stays as it is
    desk = Desk(jimport, folder)
    facts: dict[str, object] = {"menu": _menu(menus)}
    imagej.setLocation(10, 10)
    ij.run("Record...")
    recorder = jimport("ij.plugin.frame.Recorder")
    recorder.getInstance().setLocation(10, 620)
    plus = _image(ij)
    plus.show()
    plus.getWindow().setLocation(10, 160)
    plus.setTitle("a b.tif")
    _choose(menus, imagej, "FijiBridge Particles...")
    dialog = desk.dialog()
    desk.picture("dialog")
    facts["dialog"] = str(dialog.getTitle())
    size = dialog.getSize()
    facts["dialog_size"] = [int(size.width), int(size.height)]
    screen = desk.size()
    facts["fits"] = size.width <= screen.width and size.height <= screen.height
    names = _type(dialog, {"Threshold": "100,255", "Size": "20-Infinity"}, {"Include": True})
    facts["fields"] = names
    facts["plan"] = _plan(jimport, desk, dialog)
    _press(jimport, dialog, "  OK  ")
    _ended(desk, jimport, "ok")
    table = jimport("ij.measure.ResultsTable")
    first = str(table.getResultsTable().getRowAsString(0))
    count = int(table.getResultsTable().size())
    facts["rows"] = count
    manager = jimport("ij.plugin.frame.RoiManager").getInstance()
    facts["rois"] = int(manager.getCount())
    # the recorder writes when the command has returned
    facts["recorded"] = desk.wait(
        lambda: "FijiBridge" in (text := _recorded(recorder)) and text, "nothing was recorded"
    )
    desk.picture("after")
    # the recorded line again, on the same image: rows and ROIs are added, none is cleared
    ij.selectWindow("a b.tif")
    ij.runMacro(str(facts["recorded"]).splitlines()[-1])
    both = table.getResultsTable()
    facts["rows_again"] = int(both.size())
    facts["same"] = str(both.getRowAsString(count)).split("\t")[1:] == first.split("\t")[1:]
    facts["rois_again"] = int(manager.getCount())
    facts["recorded_before_cancel"] = len(_recorded(recorder).splitlines())
    sizes = {}
    for label in facts["menu"]:
        if label.endswith("..."):
            _choose(menus, imagej, label)
            dialog = desk.dialog()
            size = dialog.getSize()
            sizes[label] = [int(size.width), int(size.height)]
            desk.picture(label.strip("."))
            _press(jimport, dialog, "Cancel")
            _ended(desk, jimport, "cancelled")
    facts["sizes"] = sizes
    facts["screen"] = [int(screen.width), int(screen.height)]
    time.sleep(0.3)
    facts["recorded_after_cancel"] = len(_recorded(recorder).splitlines())
    _choose(menus, imagej, "FijiBridge Measure...")
    dialog = desk.dialog()
    _type(dialog, {"Measurements": "aria"}, {})
    _press(jimport, dialog, "  OK  ")
    _ended(desk, jimport, "error")
    box = desk.dialog()
    facts["error_box"] = str(box.getTitle())
    desk.picture("error")
    print(json.dumps(facts), flush=True)
    jimport("java.lang.Runtime").getRuntime().halt(0)


def _image(ij):
    plus = ij.createImage("a b", "8-bit black", 300, 200, 1)
    processor = plus.getProcessor()
    processor.setColor(200)
    for i in range(12):
        processor.fillOval(10 + 45 * (i % 6), 20 + 80 * (i // 6), 20 + i, 24)
    cal = plus.getCalibration()
    cal.pixelWidth = cal.pixelHeight = 0.5
    cal.setUnit("um")
    return plus


def _menu(menus) -> list[str]:
    bar = menus.getMenuBar()
    plugins = next(m for m in (bar.getMenu(i) for i in range(bar.getMenuCount()))
                   if str(m.getLabel()) == "Plugins")  # fmt: skip
    items = [plugins.getItem(i) for i in range(plugins.getItemCount())]
    ours = [item for item in items if str(item.getLabel()) == "FijiBridge"]
    assert len(ours) == 1
    return [str(ours[0].getItem(i).getLabel()) for i in range(ours[0].getItemCount())]


def _choose(menus, imagej, label: str) -> None:
    """Let the menu item tell ImageJ that it was chosen, as AWT does."""
    from fijibridge.bridge._java import jimport

    bar = menus.getMenuBar()
    plugins = next(m for m in (bar.getMenu(i) for i in range(bar.getMenuCount()))
                   if str(m.getLabel()) == "Plugins")  # fmt: skip
    ours = next(m for m in (plugins.getItem(i) for i in range(plugins.getItemCount()))
                if str(m.getLabel()) == "FijiBridge")  # fmt: skip
    item = next(m for m in (ours.getItem(i) for i in range(ours.getItemCount()))
                if str(m.getLabel()) == label)  # fmt: skip
    event = jimport("java.awt.event.ActionEvent")
    queue = jimport("java.awt.Toolkit").getDefaultToolkit().getSystemEventQueue()
    jimport("java.lang.System").setProperty("fijibridge.status", "")
    queue.postEvent(event(item, event.ACTION_PERFORMED, label))


def _type(dialog, texts: dict[str, str], flags: dict[str, bool]) -> list[str]:
    """Type into fields, found by their labels; returns all labels."""
    from fijibridge.bridge._java import jimport

    label, names = "", []
    for part in _all(dialog, jimport("java.awt.Panel")):
        if isinstance(part, jimport("java.awt.Label")):
            label = str(part.getText()).strip()
        elif isinstance(part, jimport("java.awt.TextField")):
            names.append(label)
            if label in texts:
                part.setText(texts[label])
        elif isinstance(part, jimport("java.awt.Choice")):
            names.append(label)
        elif isinstance(part, jimport("java.awt.Checkbox")):
            names.append(str(part.getLabel()))
            if str(part.getLabel()) in flags:
                part.setState(flags[str(part.getLabel())])
    return names


def _all(container, panel):
    for part in container.getComponents():
        if isinstance(part, panel):
            yield from _all(part, panel)
        else:
            yield part


def _press(jimport, dialog, label: str) -> None:
    event = jimport("java.awt.event.ActionEvent")
    button = next(b for b in dialog.getButtons() if b is not None and str(b.getLabel()) == label)
    queue = jimport("java.awt.Toolkit").getDefaultToolkit().getSystemEventQueue()
    queue.postEvent(event(button, event.ACTION_PERFORMED, label))


def _plan(jimport, desk, dialog) -> str:
    """Press the button Plan; returns what its box says."""
    kind = jimport("java.awt.Button")
    buttons = (part for part in _all(dialog, jimport("java.awt.Panel")) if isinstance(part, kind))
    button = next(part for part in buttons if str(part.getLabel()) == "Plan")
    event = jimport("java.awt.event.ActionEvent")
    queue = jimport("java.awt.Toolkit").getDefaultToolkit().getSystemEventQueue()
    queue.postEvent(event(button, event.ACTION_PERFORMED, "Plan"))
    box = desk.dialog("ij.gui.MessageDialog")
    desk.picture("plan")
    kind = jimport("ij.gui.MultiLineLabel")
    label = next(p for p in _all(box, jimport("java.awt.Panel")) if isinstance(p, kind))
    lines = kind.class_.getDeclaredField("lines")
    lines.setAccessible(True)
    said = "\n".join(str(line) for line in lines.get(label))
    box.dispose()
    desk.wait(lambda: not desk.windows("ij.gui.MessageDialog"), "the box did not close")
    return said


def _recorded(recorder) -> str:
    return str(recorder.getInstance().getText()).strip()


def _status(jimport) -> str:
    return str(jimport("java.lang.System").getProperty("fijibridge.status", ""))


def _ended(desk, jimport, how: str) -> None:
    said = desk.wait(lambda: _status(jimport), "the command did not end")
    assert said == how, desk.state()


if __name__ == "__main__":
    probe(main)
