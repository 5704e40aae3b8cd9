"""Progress on a terminal: inputs done, bytes per second, time left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

__all__ = ["Meter"]


class Meter:
    """Bars on a terminal, drawn from the first job to the last; thread-safe.

    Parameters
    ----------
    stream
        The terminal; None = standard error.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream
        self._bar: Any = None
        self._task: Any = None
        self._place = ""

    def jobs(self, done: int, total: int, what: str) -> None:
        """Say that `done` of `total` inputs are done and `what` is next; the last call ends it."""
        self._place = f"{done + 1}/{total} " if total > 1 else ""
        if done >= total:
            self.stop()
        elif self._bar is not None:
            self._bar.update(self._task, description=f"{self._place}{what}")

    def begin(self, what: str, nbytes: int) -> Callable[[int], None]:
        """Begin with one input and return what is called with the bytes of each part."""
        if self._bar is None:
            self._start()
        bar, task = self._bar, self._task
        bar.reset(task, total=max(1, nbytes), description=f"{self._place}{what}", visible=True)

        def advance(part: int) -> None:
            bar.advance(task, part)

        return advance

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=self._stream is None, file=self._stream),
            transient=True,
        )
        self._task = self._bar.add_task("", total=1, visible=False)
        self._bar.start()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
