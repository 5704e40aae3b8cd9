"""What ``show=`` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fijibridge.errors import SettingsError

if TYPE_CHECKING:
    from fijibridge.model import Image
    from fijibridge.ops._particles_core import Analysis, Asked

__all__ = ["drawing"]


def drawing(analysis: Analysis, what: Asked) -> Image:
    """Return the image that ImageJ would show."""
    from fijibridge.measure.drawing import draw

    if what.show in (None, "Nothing"):
        raise SettingsError("show is Nothing: there is nothing to draw.")
    return draw(analysis.image, analysis.result, show=what.show, in_situ="in_situ" in what.words)
