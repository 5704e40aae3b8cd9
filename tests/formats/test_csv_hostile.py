"""Text tables that are none, or mean harm: an error that says what, never a crash or a hang."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fijibridge.errors import FormatError
from fijibridge.formats.csv import format_imagej, parse_table
from fijibridge.model import ResultsTable

pieces = st.sampled_from(
    [
        *("\t", ",", ";", "|", " ", "\n", "\r\n", "\r", '"', '""', "'", "\n\n", "\t\t", "sep=;\n"),
        *("1", "-0", "1.5", "1,5", "1.234,5", "1,234", "1e400", "NaN", "Infinity", "\u00f8", "007"),
        *(
            "Area",
            "Label",
            " ",
            "label",
            "Frame",
            "ImageNumber",
            "ObjectNumber",
            "Image",
            "(\u00b5m)",
        ),
        *("a\u00b5b", "\ufeff", "\u00a0", "\u2212", "x" * 300, "9" * 40, "(micron)", "LABEL", "ID"),
    ]
)
texts = st.lists(pieces, max_size=60).map("".join)


def check(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        table, found = parse_table(data, "a.csv")
        assert all(v.dtype.kind in "ifO" for v in table.columns.values())
        assert found.describe()
        format_imagej(table, "\t")


@settings(max_examples=pytest.count(500, 20_000))
@given(text=texts, codec=st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "cp1252"]))
@example(text=',\n,""\n', codec="utf-8")
def test_any_text(text, codec):
    check(text.encode(codec, "replace"))


@settings(max_examples=pytest.count(500, 20_000))
@given(data=st.binary(max_size=300))
def test_any_bytes(data):
    check(data)


@settings(max_examples=pytest.count(200, 20_000))
@given(seed=st.integers(0, 2**32 - 1))
def test_damaged_tables(seed):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 8))
    columns = {
        "Label": np.array(["a, b", 'q"', "", "x"] * 2, object)[:rows],
        "Area": rng.random(rows) * 100,
        "N": rng.integers(0, 9, rows),
    }
    data = bytearray(format_imagej(ResultsTable(columns), ",\t"[seed % 2]))
    for _ in range(rng.integers(0, 6)):
        at = int(rng.integers(len(data)))
        choice = rng.integers(3)
        if choice == 0:
            data[at] = int(rng.integers(256))
        elif choice == 1:
            del data[at : at + int(rng.integers(1, 10))]
        else:
            data[at:at] = bytes(data[: int(rng.integers(1, 30))])
        if not data:
            break
    check(bytes(data))


@pytest.mark.parametrize(
    "data",
    [
        b"a," * 1_000_000,
        b"a" * 5_000_000,
        b"1," * 500_000 + b"\n" + b"2\n" * 100_000,
        b'"' * 1_000_000,
        b'",' * 500_000,
        b'a,b\n"x\n' * 100_000,
        b"a,b\n" + b'"' * 200_001 + b"\n" + b'",\n' * 100_000,
        b"\n" * 1_000_000,
        b"\t" * 90_000 + b"\n" + b"1\n" * 200_000,
        b"a\tb\n" + b"9" * 1_000_000 + b"\t1\n",
        b"a;b\n" + b"1." * 500_000 + b";1,5\n",
        b"a;b\n" + b"1 234" * 200_000 + b";1,5\n",
        b"sep=;" * 100_000,
        b"(" * 1_000_000 + b",b\n1,2\n",
        b"Image," * 50_000 + b"x\n" + b"ImageNumber," * 50_000 + b"x\n1" + b",2" * 50_000,
        b"a," * 50_000 + b"a\n" + b"1," * 50_000 + b"1\n",
        b" " * 2_000_000 + b"1 2",
        bytes(range(256)) * 4000,
    ],
    ids=range(18),
)
def test_large_and_strange_files_end_soon(data):
    start = time.process_time()
    check(data)
    assert time.process_time() - start < 20
