"""A PNG that says of itself that it holds labels: one text among its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.PngImagePlugin import PngInfo

__all__ = ["has_label_mark", "label_mark"]

_KEYWORD, _TEXT = "fijibridge", "role=labels"
_MOST_CHUNKS = 200


def label_mark() -> PngInfo:
    """Return the text that Pillow writes into a PNG of labels."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(_KEYWORD, _TEXT)
    return info


def has_label_mark(path: Path) -> bool:
    """Whether a PNG says that its pixels are labels; no other file does.

    Source: PNG specification, 11.3.4.3 tEXt: keyword, NUL, text, before the pixels as we write it.
    """
    wanted = f"{_KEYWORD}\0{_TEXT}".encode("latin-1")
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return False
        for _ in range(_MOST_CHUNKS):
            head = file.read(8)
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            if len(head) < 8 or kind in (b"IDAT", b"IEND"):
                return False
            if kind == b"tEXt" and size == len(wanted):
                if file.read(size) == wanted:
                    return True
                size = 0
            file.seek(size + 4, 1)
    return False
