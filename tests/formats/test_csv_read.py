"""Every dialect of text tables: separators, encodings, decimal signs, programs."""

from __future__ import annotations

import numpy as np
import pytest

from fijibridge.errors import FormatError, UnsupportedError
from fijibridge.formats import format_for_reading, read_table, write_table
from fijibridge.formats._location import Location
from fijibridge.formats.csv import CSV, TSV, format_imagej, parse_table
from fijibridge.model import ResultsTable


def parse(text: str | bytes) -> ResultsTable:
    return parse_table(text if isinstance(text, bytes) else text.encode(), "a.csv")[0]


def dialect(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return parse_table(data, "a.csv")[1].describe()


def as_dict(table: ResultsTable) -> dict[str, list]:
    return {h: v.tolist() for h, v in table.columns.items()}


# --- ImageJ ----------------------------------------------------------------------------------


def test_golden_tables_come_back_and_are_written_again(shared):
    for path in sorted((shared / "golden/imagej").glob("*/results.*")):
        data = path.read_bytes()
        table, found = parse_table(data, str(path))
        assert found.layout.row_numbers
        assert table.style.row_numbers
        assert format_imagej(table, "," if path.suffix == ".csv" else "\t") == data, path
    for path in sorted((shared / "golden/imagej").glob("*/summary.csv")):
        data = path.read_bytes()
        assert format_imagej(parse_table(data, str(path))[0], ",") == data, path


def test_golden_values_are_exact(shared):
    path = shared / "golden/imagej/s02_blobs_exclude_include_label/values.csv"
    lines = path.read_text("utf-8").splitlines()
    table = read_table(path)
    assert table["Label"].dtype == object
    assert table.style.exact
    assert table["Mean"].tolist() == [float(line.split(",")[2]) for line in lines[1:]]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("numbers", [True, False])
def test_row_numbers_labels_and_line_ends(newline, separator, numbers):
    rows = [[" ", "Label", "Area", "Mean"], ["1", "a.tif", "3", "4.500"], ["2", "b", "4", "NaN"]]
    rows = rows if numbers else [row[1:] for row in rows]
    table = parse(newline.join(separator.join(row) for row in rows) + newline)
    assert table.headings == ("Label", "Area", "Mean")
    assert table["Label"].tolist() == ["a.tif", "b"]
    assert table["Area"].dtype == np.int64
    np.testing.assert_array_equal(table["Mean"], [4.5, np.nan])
    assert table.style.row_numbers is numbers


def test_row_labels_are_text_even_when_they_are_numbers():
    assert parse(" ,Label,A\n1,007,1.5\n2,8,2.5\n")["Label"].tolist() == ["007", "8"]


def test_a_heading_that_begins_with_a_tab_has_row_numbers():
    table = parse("\tArea\n1\t5\n2\t6\n")
    assert as_dict(table) == {"Area": [5, 6]}


def test_numbers_only_get_headings():
    assert as_dict(parse("1,2.5\n3,4.5\n")) == {"C1": [1, 3], "C2": [2.5, 4.5]}
    assert as_dict(parse("1,5;2,5\n3,5;4,5\n")) == {"C1": [1.5, 3.5], "C2": [2.5, 4.5]}


def test_quoted_cells_with_inner_quotes():
    text = ' ,Label,s,n\n1,x,"a,b "q"",1\n2,y,"",2\n'
    assert parse(text)["s"].tolist() == ['a,b "q"', ""]
    assert parse('s,n\n"say ""hi"", you",1\n"two\nlines",2\n')["s"].tolist() == [
        'say "hi", you',
        "two\nlines",
    ]
    assert parse('s,n\n5" pipe,1\n"open,2\n')["s"].tolist() == ['5" pipe', '"open']
    assert parse('"s","n"\n"a",1\n')["s"].tolist() == ["a"]
    assert parse(' \ts\n1\t"a"\n')["s"].tolist() == ['"a"']  # ImageJ quotes nothing there


def test_words_for_infinity_and_nothing():
    table = parse("a,b,c,d\nInfinity,NaN,\u00f8,\n-Infinity,3.4e38,1,\n\u221e,-1.#IND,2.5,\n")
    np.testing.assert_array_equal(table["a"], [np.inf, -np.inf, np.inf])
    np.testing.assert_array_equal(table["b"], [np.nan, 3.4e38, np.nan])
    np.testing.assert_array_equal(table["c"], [np.nan, 1, 2.5])
    assert table.headings == ("a", "b", "c", "d")
    assert np.isnan(table["d"]).all()


def test_short_lines_and_blank_lines():
    table = parse("a,b,c\n1,2,3\n\n4,5\n\n")
    np.testing.assert_array_equal(table["c"], [3, np.nan])


def test_the_sign_of_zero_and_large_integers():
    assert np.signbit(parse("a\n-0\n1\n")["a"][0])
    assert parse("a\n9007199254740993\n1\n")["a"].tolist() == [9007199254740993, 1]
    assert parse("a\n1" + "0" * 30 + "\n")["a"].tolist() == [1e30]


def test_python_words_are_no_numbers():
    assert parse("a,b\n1_000,x\n2,y\n")["a"].tolist() == ["1_000", "2"]


# --- countries -------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", "\t"])
def test_german_decimal_commas(separator):
    text = "Area;Mean;Big;Name\n433;190,855;1.234.567,5;a\n185;179,286;12,25;b\n"
    table = parse(text.replace(";", separator))
    assert as_dict(table) == {
        "Area": [433, 185],
        "Mean": [190.855, 179.286],
        "Big": [1234567.5, 12.25],
        "Name": ["a", "b"],
    }
    assert "decimal commas" in dialect(text.replace(";", separator))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_three_german_decimals_are_decimals(separator):
    text = "Area;Mean\n433;190,855\n185;179,286\n".replace(";", separator)
    assert parse(text)["Mean"].tolist() == [190.855, 179.286]


def test_digit_groups():
    assert parse("Area\tMean\n1,433\t190.855\n185\t179.286\n")["Area"].tolist() == [1433, 185]
    assert parse("Area\tN\n1,433\t1\n185\t2\n999\t3\n")["Area"].tolist() == [1433, 185, 999]
    assert parse('Area,N\n"1,433,000",1\n185,2\n')["Area"].tolist() == [1433000, 185]
    assert parse("Area;N\n1.433.000;1,5\n1.850;2,5\n")["Area"].tolist() == [1433000, 1850]
    for blank in ("\u00a0", "\u202f", " ", "'", "\u2019"):
        assert parse(f"Area\tN\n1{blank}433\t1.5\n185\t2\n")["Area"].tolist() == [1433, 185]
        french = f"Area;N\n1{blank}433,5;a\n2{blank}000{blank}000,25;b\n"
        assert parse(french)["Area"].tolist() == [1433.5, 2000000.25]
    assert parse("A\tB\n\u22125.5\t1\n3\t2\n")["A"].tolist() == [-5.5, 3]
    assert parse("A;B\n\u22125,5;1\n3,25;2\n")["A"].tolist() == [-5.5, 3.25]


def test_excel_says_its_separator():
    assert as_dict(parse("sep=;\nA;B\n1,5;2\n")) == {"A": [1.5], "B": [2]}


# --- encodings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "word"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with BOM"),
        ("iso-8859-1", "ISO-8859-1"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
    ],
)
def test_micro_signs_in_every_encoding(codec, word):
    data = " \tArea \u00b5m\u00b2\n1\t2.500\n".encode(codec)
    table = parse(data)
    assert table.headings == ("Area \u00b5m\u00b2",)
    assert table.units == {"Area \u00b5m\u00b2": "micrometer^2"}
    assert dialect(data) == f"tab, ImageJ, row numbers, {word}, unit micrometer"


def test_windows_1252():
    assert parse("a\tb\n\u20ac\t1\n".encode("cp1252"))["a"].tolist() == ["\u20ac"]


# --- programs --------------------------------------------------------------------------------


def test_cellprofiler_table(shared):
    table = read_table(shared / "data/neubias/nuclei.tsv")
    assert len(table) == 12
    assert table["AreaShape_Center_X"][0] == 126.47102526002972
    # ImageNumber 1 and 2 are the time points 0 and 1
    expected = [[0, i] for i in range(1, 8)] + [[1, i] for i in range(1, 6)]
    assert table.object_ids.tolist() == expected
    assert table.style.exact


def test_cellprofiler_two_headings():
    table = parse(
        "Image,Nuclei,Image,Nuclei,Cells\n"
        "ImageNumber,ObjectNumber,Metadata_Well,AreaShape_Area,AreaShape_Area\n"
        "1,1,A01,5.5,7\n2,1,A02,6.5,8\n"
    )
    assert table.headings == (
        "ImageNumber",
        "ObjectNumber",
        "Image_Metadata_Well",
        "Nuclei_AreaShape_Area",
        "Cells_AreaShape_Area",
    )
    assert table.object_ids.tolist() == [[0, 1], [1, 1]]


def test_trackmate():
    text = (
        "LABEL,ID,TRACK_ID,QUALITY,POSITION_X,FRAME,RADIUS\n"
        "Label,Spot ID,Track ID,Quality,X,Frame,Radius\n"
        "Label,Spot ID,Track ID,Quality,X,Frame,R\n"
        ",,,(quality),(micron),,(\u00b5m)\n"
        "ID12,12,0,3.5,1.25,0,2.5\n"
        "ID13,13,\u00f8,3.5,2.25,1,2.5\n"
    )
    table = parse(text)
    assert table.headings[:2] == ("LABEL", "ID")
    assert table.units == {
        "QUALITY": "quality",
        "POSITION_X": "micrometer",
        "RADIUS": "micrometer",
    }
    np.testing.assert_array_equal(table["TRACK_ID"], [0, np.nan])
    assert table["LABEL"].tolist() == ["ID12", "ID13"]
    assert "TrackMate, 4 heading lines" in dialect(text)


def test_ilastik_tables(shared):
    folder = shared / "golden/ilastik"
    text = read_table(next(folder.glob("s60*/expected/*.csv")))
    binary = read_table(next(folder.glob("s60*/expected/*.h5")))
    assert set(text.headings) == set(binary.headings)
    assert text.object_ids.tolist() == binary.object_ids.tolist()
    assert text.object_ids.tolist() == [[0, i] for i in range(1, 13)]
    assert text["User Label"].tolist() == binary["User Label"].tolist()
    tracks = read_table(next(folder.glob("s70*/expected/*.csv")))
    assert tracks.object_ids[:3].tolist() == [[0, 1], [0, 2], [1, 1]]


def test_headings_with_units():
    table = parse(
        "Object ID\tNucleus: Area \u00b5m^2\tCentroid X px\tBirth [s]\tLength (um)\tMean\n"
        "a\t1.5\t2\t3\t4\t5\n"
    )
    assert dict(table.units) == {
        "Nucleus: Area \u00b5m^2": "micrometer^2",
        "Centroid X px": "pixel",
        "Birth [s]": "second",
        "Length (um)": "micrometer",
    }


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("label,area\n3,1.5\n7,2.5\n", [[0, 3], [0, 7]]),
        ("frame,label\n0,1\n1,1\n", [[0, 1], [1, 1]]),
        ("Frame,Label\n1,1\n2,1\n", [[0, 1], [1, 1]]),
        (" \tLabel\tArea\n1\t4\t1.5\n2\t9\t2.5\n", [[0, 4], [0, 9]]),
        ("label,area\n1,1.5\n1,2.5\n", None),
        ("label,area\n0,1.5\n1,2.5\n", None),
        (" \tLabel\tArea\n1\ta.tif\t1.5\n", None),
        (" \tArea\n1\t1.5\n", None),
    ],
)
def test_object_ids(text, ids):
    found = parse(text).object_ids
    assert (None if found is None else found.tolist()) == ids


def test_pandas_and_r_tables():
    assert as_dict(parse(",a,b\n0,1,x\n1,2,y\n")) == {"a": [1, 2], "b": ["x", "y"]}
    assert as_dict(parse(",a\n5,1\n9,2\n")) == {"C1": [5, 9], "a": [1, 2]}
    assert as_dict(parse('"a"\t"b"\n"1"\t5\t"x"\n"2"\t6\t"y"\n')) == {"a": [5, 6], "b": ["x", "y"]}


def test_lines_before_the_headings():
    table, found = parse_table(
        b"\nArea \n==================== \nArea,Unit,Time,\n1.5,um^2,1,\n2.5,um^2,2,\n", "a.csv"
    )
    assert table.headings == ("Area", "Unit", "Time")
    assert found.cells.preamble == ("Area ", "==================== ")


def test_equal_and_empty_headings():
    assert parse("a,a,,a.1\n1,2,3,4\n").headings == ("a", "a.2", "C3", "a.1")


def test_separator_by_content_not_by_suffix(tmp_path):
    for suffix in (".csv", ".tsv", ".txt", ".xls"):
        path = tmp_path / f"a{suffix}"
        for separator in ",;\t":
            path.write_text(separator.join("ab") + "\n" + separator.join("12") + "\n", "utf-8")
            assert as_dict(read_table(path)) == {"a": [1], "b": [2]}
        assert format_for_reading(Location(path), "table") is (CSV if suffix == ".csv" else TSV)


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a,b\n1,2\n3,4,5\n", "Line 3 of 'a.csv' has 3 cells, but the heading has 2"),
        (b"a,b\n1,\0\n", "NUL byte in line 2"),
        (b"\xff\xfea\0,\0\xd8\xd8\xd8", "UTF-16"),
        (b"a" + b",a" * 200_000 + b"\n", "200001 cells in line 1"),
        (b"\x81\x8d\x8f\x90\x01\x02", "neither UTF-8"),
        (b"\x01\x02\x03", "control characters"),
    ],
)
def test_what_is_no_table(data, words):
    with pytest.raises(FormatError, match=words):
        parse_table(data, "a.csv")


def test_an_excel_file_with_a_text_suffix(tmp_path):
    path = tmp_path / "a.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 100)
    with pytest.raises(FormatError, match="in no format that is known"):
        read_table(path)


@pytest.mark.parametrize(
    ("heading", "cell", "suffix"),
    [("a,b", "x", ".csv"), ("a\tb", "x", ".tsv"), ("a", "x\ty", ".tsv"), ("a", "x\ry", ".csv")],
)
def test_what_text_cannot_hold_is_refused(tmp_path, heading, cell, suffix):
    table = ResultsTable({heading: np.array([cell], object)})
    with pytest.raises(UnsupportedError, match="cannot quote"):
        write_table(table, tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


# --- sidecar ---------------------------------------------------------------------------------


def test_sidecar_only_when_needed_and_only_when_it_fits(tmp_path):
    path = tmp_path / "a.tsv"
    side = tmp_path / "a.tsv.fijibridge.json"
    table = ResultsTable(
        {"Area": np.array([1.5, 2.5]), "s": np.array(["01", "2"], object)},
        np.array([[0, 7], [0, 9]]),
        units={"Area": "micrometer^2"},
    )
    write_table(table, path)
    assert side.is_file()
    assert path.read_bytes() == format_imagej(table, "\t")
    back = read_table(path)
    assert back.object_ids.tolist() == [[0, 7], [0, 9]]
    assert dict(back.units) == {"Area": "micrometer^2"}
    assert back["s"].tolist() == ["01", "2"]
    path.write_text("Area\ts\n1.5\t01\n", "utf-8")  # a row went: the sidecar no longer fits
    back = read_table(path)
    assert back.object_ids is None
    assert dict(back.units) == {}
    assert [f.severity for f in TSV.validate(Location(path))] == ["warning"]
    side.write_text("[" * 100_000, "utf-8")
    assert len(read_table(path)) == 1
    write_table(ResultsTable({"Area": np.array([1.5])}), path, overwrite=True)
    assert not side.exists()


def test_describe_and_validate(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(" \tArea \u00b5m^2\n1\t2,5\n".encode("iso-8859-1"))
    about = TSV.describe(Location(path))
    assert about["rows"] == 1
    assert about["dialect"] == (
        "tab, ImageJ, row numbers, decimal commas, ISO-8859-1, unit micrometer"
    )
    words = [f.message for f in TSV.validate(Location(path))]
    assert any("ISO-8859-1" in w for w in words)
    assert any("decimal commas" in w for w in words)
