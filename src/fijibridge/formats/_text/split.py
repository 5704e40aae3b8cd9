"""Text tables to cells: encoding, separator, quotes, heading line."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain

from fijibridge.errors import FormatError

__all__ = ["Cells", "decode", "guessed_separator", "split_table"]

#: More columns than any program writes; a wider "table" is some other file.
MAX_COLUMNS = 100_000
_LOOK = 50
_SEPARATORS = ("\t", ";", ",", "|")
_NUMBER = re.compile(r"[-+]?(\d[\d.,]*|[.,]\d+)([eE][-+]?\d+)?|nan|[-+]?inf(inity)?", re.IGNORECASE)
_MICRO = (b"\xb5", b"\xb2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A table before its cells mean anything.

    Parameters
    ----------
    headings
        Cells of the heading line; empty when the first line is numbers only.
    columns
        Cells below, by column.
    separator
        One character; a space stands for any white space.
    first_line
        Number in the file of the first line of `columns`, from 1.
    quoted
        Whether any cell was in quotes.
    preamble
        Lines before the heading.
    """

    headings: list[str]
    columns: list[list[str]]
    separator: str
    first_line: int
    quoted: bool
    preamble: tuple[str, ...] = ()


def decode(data: bytes, name: str) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding.

    ImageJ writes the encoding of the computer it runs on, and Excel adds marks or UTF-16.

    Raises
    ------
    FormatError
        When the bytes are no text.
    """
    for mark, encoding in (
        (codecs.BOM_UTF8, "UTF-8 with BOM"),
        (codecs.BOM_UTF16_LE, "UTF-16"),
        (codecs.BOM_UTF16_BE, "UTF-16"),
    ):
        if data.startswith(mark):
            codec = "utf-8-sig" if mark == codecs.BOM_UTF8 else "utf-16"
            return _checked(data, codec, name), encoding
    if len(data) > 3 and data[1:400:2].count(0) > 0.8 * len(data[1:400:2]):
        return _checked(data, "utf-16-le", name), "UTF-16"
    if b"\0" in data:
        line = data[: data.index(0)].count(10) + 1
        raise FormatError(
            f"{name!r} is no text: it holds a NUL byte in line {line}.",
            "A text table holds cells between tabs, commas or semicolons.",
        )
    try:
        return data.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        pass
    if not re.search(rb"[\x80-\x9f]", data):
        return data.decode("iso-8859-1"), "ISO-8859-1"
    try:
        return data.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        pass
    if any(mark in data for mark in _MICRO) and not re.search(rb"[\x00-\x08\x0e-\x1f]", data):
        return data.decode("iso-8859-1"), "ISO-8859-1"
    raise FormatError(
        f"{name!r} is no text: it is neither UTF-8 nor Windows-1252.",
        "A text table holds cells between tabs, commas or semicolons.",
    )


def _checked(data: bytes, codec: str, name: str) -> str:
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{name!r} says it is {codec.upper()} but byte {error.start} is not."
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise FormatError(f"{name!r} is no text: it holds a NUL in line {line}.")
    return text


def is_number(cell: str) -> bool:
    """Whether a cell looks like a number, in any country's way of writing it."""
    return _NUMBER.fullmatch(cell.strip()) is not None


def split_line(line: str, separator: str, *, quotes: bool = True) -> list[str]:
    """Split one line.

    A cell that begins with a quote ends at the first separator after an even number of quotes:
    that reads both standard files (inner quotes doubled) and ImageJ's (inner quotes as they are).
    A quote inside a cell, or one that is never closed, is a plain character.
    """
    if separator == " ":
        return line.split()
    if not quotes or '"' not in line:
        return line.split(separator)
    pieces = line.split(separator)
    cells: list[str] = []
    # from the back: whether some later piece can close a cell that is still open
    odd = [piece.count('"') % 2 == 1 for piece in pieces]
    closers = sum(odd)
    i = 0
    while i < len(pieces):
        piece = pieces[i]
        is_open = odd[i]
        closers -= is_open
        if is_open and piece.startswith('"') and closers > 0:
            j = i + 1
            while not odd[j]:
                j += 1
            closers -= 1
            cells.append(unquote(separator.join(pieces[i : j + 1])))
            i = j + 1
        else:
            cells.append(unquote(piece))
            i += 1
    return cells


def unquote(cell: str) -> str:
    """Take the outer quotes away; doubled inner ones become one when all are doubled."""
    if len(cell) < 2 or cell[0] != '"' or cell[-1] != '"':
        return cell
    inner = cell[1:-1]
    return inner if '"' in inner.replace('""', "") else inner.replace('""', '"')


def _find_separator(lines: list[str], name: str) -> str:
    """Return the separator that cuts the first lines most evenly."""
    best, best_rank = "", (0.0, 0)
    for separator in _SEPARATORS:
        counts = [len(split_line(line, separator)) for line in lines]
        common, times = Counter(counts).most_common(1)[0]
        if common < 2:
            continue
        # "1,5;2,5": where both cut evenly, the one that leaves numbers whole stands first
        evenness = times / len(counts) / (1 if counts[0] == common else 2)
        rank = (evenness, -_SEPARATORS.index(separator))
        if rank > best_rank:
            best, best_rank = separator, rank
    if best:
        return best
    words = [line.split() for line in lines]
    even = len({len(w) for w in words}) == 1 and len(words[0]) > 1
    if even and len(words) > 1 and all(is_number(w) for row in words[1:] for w in row):
        return " "
    if not all(map(_printable, lines)):
        raise FormatError(f"{name!r} is no text table: it holds control characters.")
    return "\t"


def guessed_separator(text: str) -> str:
    """Return the separator that the reader finds in a text without knowing more."""
    lines = [line for line in text[:2_000_000].split("\n")[: 4 * _LOOK] if line.strip()][:_LOOK]
    try:
        return _find_separator(lines, "") if lines else "\t"
    except FormatError:
        return ""


def _printable(line: str) -> bool:
    return not any(ord(c) < 32 and c != "\t" for c in line[:2000])


def split_table(text: str, name: str, known: tuple[str, ...] = (), said: str = "") -> Cells:
    """Cut a text into cells.

    `known` headings (a sidecar's) may be numbers; the separator that it `said` counts where it
    gives them.

    Raises
    ------
    FormatError
        When it is no table; the message names the line.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    start = 0
    separator = ""
    excel = re.match(r"\s*\"?sep=(.)\"?[^\n]*\n", text)  # Excel's own first line
    if excel:
        separator, start = excel[1], excel.end()
    body = text[start:]
    lines = body.split("\n")
    if lines[-1] == "":
        lines.pop()
    blank = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    if not body.strip("\n \t,;") or blank == len(lines):
        return Cells(headings=[], columns=[], separator="\t", first_line=1, quoted=False)
    lines = lines[blank:]
    line_number = text.count("\n", 0, start) + 1 + blank
    look = [line[:2_000_000] for line in lines[: 4 * _LOOK] if line.strip()][:_LOOK]
    if not separator and said in _SEPARATORS and _ends_with(split_line(lines[0], said), known):
        separator = said
    separator = separator or _find_separator(look, name)
    first = _heading_line(lines, separator)
    if lines[first].count(separator) >= MAX_COLUMNS:
        raise FormatError(
            f"{name!r} has {lines[first].count(separator) + 1} cells in line "
            f"{line_number + first}; a table here has at most {MAX_COLUMNS} columns."
        )
    preamble = tuple(line for line in lines[:first] if line.strip())
    headings = split_line(lines[first], separator)
    quotes = '"' in body and not _literal_quotes(headings, separator)
    if all(is_number(h) for h in headings) and not _ends_with(headings, known):
        headings = []
    else:
        first += 1
    line_number += first
    rows = lines[first:]
    columns = _columns(rows, separator, headings, quotes, name, line_number)
    return Cells(
        headings=headings,
        columns=columns,
        separator=separator,
        first_line=line_number,
        quoted=quotes,
        preamble=preamble,
    )


def _ends_with(headings: list[str], known: tuple[str, ...]) -> bool:
    return bool(known) and headings[-len(known) :] == list(known)


def _literal_quotes(headings: list[str], separator: str) -> bool:
    """Whether quotes are plain characters: ImageJ puts none into tab-delimited files."""
    return separator == "\t" and headings[0] == " "


def _heading_line(lines: list[str], separator: str) -> int:
    """Return the index of the heading: the first line as wide as most lines are."""
    widths = [
        (i, len(split_line(line, separator)))
        for i, line in enumerate(lines[: 4 * _LOOK])
        if line.strip()
    ][:_LOOK]
    common = Counter(w for _, w in widths).most_common(1)[0][0]
    first, width = widths[0]
    if width >= common - 1 or len(widths) < 3:
        return first
    for i, w in widths:
        if w == common:
            return i
    return first


def _columns(
    rows: list[str], separator: str, headings: list[str], quotes: bool, name: str, line_number: int
) -> list[list[str]]:
    width = len(headings)
    if separator != " " and not quotes and width != 1:
        cuts = {row.count(separator) for row in rows}
        if len(cuts) == 1 and (not headings or cuts == {width - 1}):
            # the usual file: cut everything in one go
            flat = separator.join(rows).split(separator)
            width = cuts.pop() + 1
            return [flat[i::width] for i in range(width)]
    cut: list[list[str]] = []
    numbers: list[int] = []
    i = 0
    joins_left = 10_000
    while i < len(rows):
        row, here = rows[i], i
        if quotes and joins_left and row.count('"') % 2 and _is_open(row, separator):
            # a line break inside quotes; if they never close they were plain characters
            stop = i + 1
            while stop < len(rows) and stop - i < 100 and rows[stop].count('"') % 2 == 0:
                stop += 1
            joins_left -= 1
            if stop < len(rows) and rows[stop].count('"') % 2:
                row = "\n".join(rows[i : stop + 1])
                i = stop
        i += 1
        if row.strip() or width == 1:
            cut.append(split_line(row, separator, quotes=quotes))
            numbers.append(line_number + here)
    if not cut:
        return [[] for _ in headings]
    return _even(cut, numbers, headings, name)


def _is_open(row: str, separator: str) -> bool:
    """Whether the last quoted cell of a line is not closed."""
    cells = split_line(row, separator)
    return any(c.startswith('"') and c.count('"') % 2 for c in cells)


def _even(
    cut: list[list[str]], numbers: list[int], headings: list[str], name: str
) -> list[list[str]]:
    """Pad short rows, cut empty cells behind the last column, refuse longer rows."""
    lengths = Counter(map(len, cut))
    longest = max(lengths)
    width = len(headings) or longest
    if longest > width:
        if lengths[width + 1] == len(cut) and any(row[-1].strip() for row in cut):
            # R leaves the heading of its row names out
            headings.insert(0, "")
            width += 1
        else:
            for row, number in zip(cut, numbers, strict=True):
                if len(row) > width and any(c.strip() for c in row[width:]):
                    raise FormatError(
                        f"Line {number} of {name!r} has {len(row)} cells, "
                        f"but the heading has {width}.",
                        "Is a cell with the separator in it not in quotes?",
                    )
            cut = [row[:width] for row in cut]
    if width > MAX_COLUMNS:
        raise FormatError(f"{name!r} has {width} columns; a table here has at most {MAX_COLUMNS}.")
    held = sum(map(len, cut))
    if width * len(cut) > 50 * held + 1_000_000:
        raise FormatError(
            f"{name!r} is no table: {width} headings, but {held / len(cut):.0f} cells a line."
        )
    if min(map(len, cut)) < width:
        cut = [row + [""] * (width - len(row)) for row in cut]
    flat = list(chain.from_iterable(cut))
    return [flat[i::width] for i in range(width)]
