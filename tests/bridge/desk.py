"""Mouse, dialogs and pictures of the X display on which a probe runs the real ImageJ.

There is no window manager and the computer may be busy. Java then believes now and then that a
dialog stands at (0, 0), where it was made, while the screen shows it in the middle: a click on the
place that Java names falls beside it. So a dialog is moved before a button of it is pressed, and
elsewhere and once more while it still shows. What does not happen ends in a `TimeoutError` that
says what is on the screen, and where a picture of it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

_SECONDS = 240.0  # of patience; only a failure takes this long
_AGAIN = 5.0  # until a button is pressed once more
_REST = 6.0  # until a picture is taken of a screen that does not come to rest
_LEFT = 16  # java.awt.event.InputEvent.BUTTON1_MASK


def probe(main) -> None:
    """Run a probe on the words of its command line; windows' threads would keep a failed one."""
    try:
        main(*sys.argv[1:])
    except BaseException:  # noqa: BLE001  # whatever it is, it is said
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


class Desk:
    """The display.

    Parameters
    ----------
    jimport
        Name -> Java class.
    folder
        Where pictures go.
    """

    def __init__(self, jimport, folder) -> None:
        self.java = jimport
        self.folder = Path(folder)
        self.robot = jimport("java.awt.Robot")()
        self.presses = 0  # those that were needed

    def wait(self, there, what: str, seconds: float = _SECONDS):
        """Return what a function gives as soon as that is true."""
        end = time.monotonic() + seconds
        while True:
            found = there()
            if found:
                return found
            if time.monotonic() > end:
                raise TimeoutError(f"{what} within {seconds:g} s\n{self.state()}")
            time.sleep(0.05)

    def picture(self, path) -> str:
        """Save the screen once it is at rest; returns where."""
        target = Path(path) if Path(path).is_absolute() else self.folder / f"{path}.png"
        last, (shot, pixels) = b"", self._shot()
        end = time.monotonic() + _REST
        while pixels != last and time.monotonic() < end:
            time.sleep(0.3)
            last, (shot, pixels) = pixels, self._shot()
        file = self.java("java.io.File")(str(target))
        self.java("javax.imageio.ImageIO").write(shot, "png", file)
        return str(target)

    def _shot(self):
        self.robot.waitForIdle()
        self.java("java.awt.Toolkit").getDefaultToolkit().sync()
        shot = self.robot.createScreenCapture(self.java("java.awt.Rectangle")(self.size()))
        width, height = shot.getWidth(), shot.getHeight()
        return shot, bytes(memoryview(shot.getRGB(0, 0, width, height, None, 0, width)))

    def size(self):
        """Return width and height of the screen."""
        return self.java("java.awt.Toolkit").getDefaultToolkit().getScreenSize()

    def windows(self, kind: str = "java.awt.Window") -> list:
        """Return the windows of a class that show."""
        wanted = self.java(kind)
        found = self.java("java.awt.Window").getWindows()
        return [w for w in found if w.isShowing() and isinstance(w, wanted)]

    def dialog(self, kind: str = "java.awt.Dialog"):
        """Return the dialog that shows, once it is painted and has come to rest."""
        found = self.wait(lambda: self.windows(kind), f"no {kind} showed")[0]
        self.settle(found)
        return found

    def settle(self, part) -> tuple[int, int, int, int]:
        """Return where a part of a window is on the screen, once it stays there."""
        seen: list[tuple[int, int, int, int] | None] = [None]

        def still():
            self.robot.waitForIdle()
            time.sleep(0.2)
            place = self._place(part)
            last, seen[0] = seen[0], place
            return place if place is not None and place == last else None

        return self.wait(still, f"{part.getClass().getName()} did not come to rest")

    def _place(self, part) -> tuple[int, int, int, int] | None:
        if not part.isShowing():
            return None
        try:
            corner = part.getLocationOnScreen()
        except self.java("java.awt.IllegalComponentStateException"):
            return None
        return int(corner.x), int(corner.y), int(part.getWidth()), int(part.getHeight())

    def press(self, dialog, label: str) -> None:
        """Press a button of a GenericDialog with the mouse, until the dialog is gone."""
        button = next(
            b for b in dialog.getButtons() if b is not None and str(b.getLabel()).strip() == label
        )
        end = time.monotonic() + _SECONDS
        tries = 0
        while dialog.isShowing():
            if time.monotonic() > end:
                raise TimeoutError(f"{label!r} was pressed in vain\n{self.state()}")
            tries += 1
            dialog.toFront()
            dialog.setLocation(200 + 10 * (tries % 10), 40 + 5 * (tries % 10))
            self.settle(button)
            if self._click(button):
                self.presses += 1
            again = time.monotonic() + _AGAIN
            while dialog.isShowing() and time.monotonic() < again:
                time.sleep(0.05)

    def _click(self, button) -> bool:
        place = self._place(button)
        if place is None:
            return False
        x, y, width, height = place
        self.robot.mouseMove(x + width // 2, y + height // 2)
        self.robot.waitForIdle()
        self.robot.mousePress(_LEFT)
        time.sleep(0.1)
        self.robot.mouseRelease(_LEFT)
        return True

    def state(self) -> str:
        """Return what is on the screen and what Java and its processes do, for a failed probe."""
        said = [f"a picture of the screen: {self.picture(self.folder / 'failed.png')}"]
        system = self.java("java.lang.System")
        names = ("fijibridge.status", "fijibridge.message")
        said += [f"{name}: {system.getProperty(name)}" for name in names]
        said += [
            f"window {w.getClass().getName()} {_title(w)!r} at {self._place(w)}"
            for w in self.windows()
        ]
        said += self._threads()
        said.append(_processes())
        return "\n".join(said)

    def _threads(self) -> list[str]:
        traces = self.java("java.lang.Thread").getAllStackTraces()
        said = []
        for thread in traces.keySet():
            frames = [str(f) for f in traces.get(thread)]
            if any(re.search(r"\b(ij|javassist|fijibridge)\.", f) for f in frames):
                said.append(f"thread {thread.getName()}:\n  " + "\n  ".join(frames[:25]))
        return said


def _title(window) -> str:
    return str(window.getTitle()) if hasattr(window, "getTitle") else ""


def _processes() -> str:
    done = subprocess.run(
        ["ps", "-eo", "pid,ppid,stat,etimes,time,args"], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    ours = [line[:160] for line in lines if "fijibridge" in line or "Xvfb" in line]
    return "processes:\n  " + "\n  ".join([*lines[:1], *ours])
