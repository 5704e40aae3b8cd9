"""What a verb may ask of the program it runs in: Fiji, ImageJ, or nothing (None)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from fijibridge.model import Image, ImageSource, ResultsTable, Roi, RoiSet

__all__ = ["Check", "Diagnose", "Host", "Witness", "WitnessResult", "from_bridge"]


class Check(Protocol):
    """One thing that `doctor` looked at."""

    @property
    def name(self) -> str:
        """What was looked at: ``Java``, ``zarr``."""
        ...

    @property
    def state(self) -> Literal["ok", "missing", "broken"]:
        """``missing``: something optional is not here."""
        ...

    @property
    def detail(self) -> str:
        """What was seen, in plain words."""
        ...

    @property
    def fix(self) -> str:
        """The exact next command, "" when nothing is to be done."""
        ...


class Diagnose(Protocol):
    """Looks at everything the bridge needs."""

    def __call__(self, *, start: bool = True) -> Sequence[Check]:
        """Return what was seen; `start` really starts ImageJ."""
        ...


@runtime_checkable
class Host(Protocol):
    """A program with windows."""

    def active_image(self) -> Image | None:
        """Return the image in front, whole, or None."""
        ...

    def selection(self) -> Roi | None:
        """Return the selection of the active image, or None."""
        ...

    def threshold(self) -> tuple[float, float] | None:
        """Return the threshold that is set on the active image, raw values, or None."""
        ...

    def active_source(self) -> ImageSource | None:
        """Return the image in front, its pixels read when asked for, or None."""
        ...

    def active_folder(self) -> str | None:
        """Return the folder of the file in front, or None when it came from no file."""
        ...

    def rois(self) -> RoiSet | None:
        """Return what the ROI Manager holds, else the overlay, else the selection, else None."""
        ...

    def results(self) -> ResultsTable | None:
        """Return the Results table, or None when it is empty."""
        ...

    def clear_results(self) -> None:
        """Empty the Results table; only where the user asked for it."""
        ...

    def show_image(self, image: Image) -> None:
        """Open a window with an image."""
        ...

    def show_table(self, table: ResultsTable) -> None:
        """Show a table; one named ``Results`` is added to the Results table."""
        ...

    def show_rois(self, rois: RoiSet) -> None:
        """Put ROIs where the user finds them (ROI Manager, else overlay); none are removed."""
        ...


class WitnessResult(Protocol):
    """What the real ImageJ made of an image."""

    @property
    def table(self) -> bytes:
        """The saved Results table."""
        ...

    @property
    def rois(self) -> Sequence[tuple[str, bytes]]:
        """(name, record) of each ROI."""
        ...

    @property
    def labels(self) -> np.ndarray:
        """The count mask, (y, x)."""
        ...

    @property
    def version(self) -> str:
        """ImageJ's version."""
        ...


class Witness(Protocol):
    """The real ImageJ, asked for the same analysis."""

    def __call__(
        self, path: str, *, threshold: str, options: str, measurements: str, suffix: str = ...
    ) -> WitnessResult:
        """Run Analyze Particles on an image file with recorded option lines."""
        ...


def from_bridge(module: str, name: str) -> Any:
    """Return a function of the bridge by name, or None where there is no bridge.

    The verbs know the protocols above, not the bridge; it is looked up like a plug-in when a verb
    asks for it, and every door gets the same answer.
    """
    try:
        return getattr(importlib.import_module(f"fijibridge.bridge.{module}"), name)
    except ModuleNotFoundError:
        return None
