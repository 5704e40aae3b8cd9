"""The dialog of Fiji's Jython commands, in the real ImageJ's windows with a mouse.

Run under Xvfb: ``python jython_probe.py FIJI_FOLDER IMAGE OUT``; prints facts as JSON. Jython runs
the script as it stands; what Fiji itself does around it is not here.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

if __name__ == "__main__":  # beside pytest the folder tests is on the path already
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bridge.desk import Desk, probe

LABEL = "FijiBridge Particles..."


def main(folder: str, image: str, out: str) -> None:
    from fijibridge.bridge._java import jimport, start_jvm

    start_jvm(headless=False, options=(f"-Dplugins.dir={folder}", f"-Dimagej.dir={folder}"))
    jimport("ij.ImageJ")().setLocation(5, 5)
    ij, system = jimport("ij.IJ"), jimport("java.lang.System")
    desk = Desk(jimport, out)
    recorder = jimport("ij.plugin.frame.Recorder")
    log = recorder(True)
    log.setLocation(5, 700)
    facts: dict[str, object] = {"sizes": {}}
    scripts = Path(folder, "scripts", "Plugins", "FijiBridge")
    size = desk.size()
    facts["screen"] = [int(size.width), int(size.height)]

    def start(label: str) -> threading.Thread:
        """Run a command as the menu does: the recorder knows its name."""

        def go() -> None:
            recorder.setCommand(label)
            interpreter = jimport("org.python.util.PythonInterpreter")()
            interpreter.execfile(str(scripts / f"{label.replace(' ', '_')}.py"))
            recorder.saveCommand()

        system.setProperty("fijibridge.status", "")
        thread = threading.Thread(target=go, daemon=True)
        thread.start()
        return thread

    def ended(thread: threading.Thread, label: str) -> str:
        desk.wait(lambda: not thread.is_alive(), f"{label} did not end")
        return str(system.getProperty("fijibridge.status"))

    for path in sorted(scripts.glob("*....py")):
        label = path.stem.replace("_", " ")
        thread = start(label)
        dialog = desk.dialog("ij.gui.GenericDialog")
        facts["sizes"][label] = [int(dialog.getWidth()), int(dialog.getHeight())]
        if label == LABEL:
            desk.picture("jython")
        desk.press(dialog, "Cancel")
        assert ended(thread, label) == "cancelled", desk.state()
    facts["recorded after cancel"] = str(log.getText()).strip()
    plus = ij.openImage(image)
    plus.show()
    thread = start(LABEL)
    dialog = desk.dialog("ij.gui.GenericDialog")
    fields = list(dialog.getStringFields())
    named = json.loads((Path(out) / "fields.json").read_text())
    fields[named["threshold"]].setText("Otsu dark")
    fields[named["size"]].setText("20-Infinity")
    desk.press(dialog, "OK")
    facts["status"] = ended(thread, LABEL)
    facts["message"] = str(system.getProperty("fijibridge.message"))
    facts["recorded"] = str(log.getText()).strip().splitlines()
    facts["rows"] = int(jimport("ij.measure.ResultsTable").getResultsTable().size())
    desk.picture("done")
    ij.getProperty("fijibridge.worker").get("process").destroy()
    print(json.dumps(facts), flush=True)
    jimport("java.lang.Runtime").getRuntime().halt(0)


if __name__ == "__main__":
    probe(main)
