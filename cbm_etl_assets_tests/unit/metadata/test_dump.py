"""`.d` files: every type, formats, malformed files, a round trip, and every real dump against an independent reading."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cbm_etl_assets.errors import DumpFormatError
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.df import parse_df
from cbm_etl_assets.metadata.dump import read_dump
from cbm_etl_assets.metadata.dumpfolder import load_dump_folder
from cbm_etl_assets.metadata.dvalues import FarDate, days_since_1970
from cbm_etl_assets_tests.unit.metadata.dumps import ROOT, needs_real_dumps, real_tables, write_d


def table(*types: str) -> SourceTable:
    fields = "".join(f'ADD FIELD "f{i}" OF "t" AS {kind}\n  ORDER {i}\n' for i, kind in enumerate(types, 1))
    return parse_df(f'ADD TABLE "t"\n{fields}').tables[0]


@pytest.mark.parametrize(
    ("kind", "token", "value"),
    [
        ("character", '"?"', "?"),
        ("character", "?", None),
        ("character", '""', ""),
        ("character", '"a ""b"" c"', 'a "b" c'),
        ("character", '"two\nlines\n.\nPSC\n"', "two\nlines\n.\nPSC\n"),
        ("character", '" é ; ~ "', " é ; ~ "),
        ("integer", "-42", -42),
        ("integer", "1.234.567", 1234567),
        ("int64", "9223372036854775807", 2**63 - 1),
        ("recid", "7", 7),
        ("decimal", ",25", Decimal("0.25")),
        ("decimal", "-,5", Decimal("-0.5")),
        ("decimal", "2457695,39192", Decimal("2457695.39192")),
        ("decimal", "1.234.567,5", Decimal("1234567.5")),
        ("decimal", "0", Decimal(0)),
        ("logical", "yes", True),
        ("logical", "no", False),
        ("logical", "?", None),
        ("date", "31/01/50", dt.date(1950, 1, 31)),
        ("date", "31/01/49", dt.date(2049, 1, 31)),
        ("date", "31/01/1789", dt.date(1789, 1, 31)),
        ("date", "29/02/12024", FarDate(12024, 2, 29)),
        ("datetime", "2024-01-31T08:05:00.123", dt.datetime(2024, 1, 31, 8, 5, 0, 123000)),
        ("datetime-tz", "2024-01-31T08:05:00.000+01:00", dt.datetime(2024, 1, 31, 7, 5, tzinfo=dt.UTC)),
        ("raw", '"020003AAEC"', b"\x00\x01\x02"),
        ("raw", "AAEC", b"\x00\x01\x02"),
        ("integer\n  EXTENT 3", "1 ? -3", [1, None, -3]),
        ("character\n  EXTENT 2", '"a;b" "?"', ["a;b", "?"]),
    ],
)
def test_values(tmp_path: Path, kind: str, token: str, value: object) -> None:
    file = write_d(tmp_path / "t.d", f'1 {token} "end"\n', records=1)
    dump = read_dump(file, table("integer", kind, "character"))
    assert list(dump.rows()) == [(1, value, "end")]


def test_american_formats(tmp_path: Path) -> None:
    file = write_d(tmp_path / "t.d", "-.5 1,234.5 12/31/99\n", records=1, numformat="44,46", dateformat="mdy-1930")
    assert list(read_dump(file, table("decimal", "decimal", "date")).rows()) == [
        (Decimal("-0.5"), Decimal("1234.5"), dt.date(1999, 12, 31))
    ]


def test_large_objects_lie_beside_the_dump(tmp_path: Path) -> None:
    blobs = tmp_path / "lobs"
    blobs.mkdir()
    (blobs / "Photo_1.blb").write_bytes(b"\x89PNG\x00")
    (blobs / "NOTE_2.BLB").write_bytes("été".encode("latin_1"))
    (blobs / "Note!UTF-8!_3.blb").write_bytes("été".encode())
    file = write_d(tmp_path / "t.d", '"Photo_1.blb" "Note_2.blb" "Note!UTF-8!_3.blb" ?\n', records=1)
    dump = read_dump(file, table("blob", "clob", "clob", "blob"), blobs)
    assert list(dump.rows()) == [(b"\x89PNG\x00", "été", "été", None)]


@pytest.mark.parametrize("codec", ["latin_1", "utf-8", "cp850", "cp1252", "iso8859_15"])
def test_code_pages(tmp_path: Path, codec: str) -> None:
    file = write_d(tmp_path / "t.d", '"Müller élève"\n', records=1, encoding=codec)
    assert list(read_dump(file, table("character")).rows()) == [("Müller élève",)]


def test_latin1_keeps_the_bytes_80_to_9f_and_undefined_is_decided_for_the_whole_file(tmp_path: Path) -> None:
    text = "".join(chr(i) for i in range(0x80, 0xA0))
    file = write_d(tmp_path / "t.d", f'"{text}"\n', records=1)
    assert list(read_dump(file, table("character")).rows()) == [(text,)]
    file = write_d(tmp_path / "u.d", '"Ã©"\n"\xe9"\n', records=2, cpstream="UNDEFINED")
    assert list(read_dump(file, table("character")).rows()) == [("Ã©",), ("é",)]


def test_windows_line_ends_are_line_ends_and_inside_text_too(tmp_path: Path) -> None:
    file = write_d(tmp_path / "t.d", '1 "two\nlines"\n2 ""\n', records=2)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert list(read_dump(file, table("integer", "character")).rows()) == [(1, "two\nlines"), (2, "")]


@pytest.mark.parametrize(
    ("kinds", "body", "line", "found", "expected"),
    [
        (("integer", "date"), "1 01/01/24\n2 1/13/24\n", 2, "1/13/24", "a date as d/m/y (trailer's dateformat), or ?, for field 'f2' of t"),
        (("integer",), "1\nx\n", 2, "x", "a whole number, or ?, for field 'f1'"),
        (("integer",), "1,5\n", 1, "1,5", "a whole number"),
        (("integer",), "3000000000\n", 1, "3000000000", "from -2147483648 to 2147483647"),
        (("decimal",), "1.5\n", 1, "1.5", "decimal separator ','"),
        (("logical",), "maybe\n", 1, "maybe", "yes, no or ?"),
        (("character",), "abc\n", 1, "abc", "a text in quotes"),
        (("integer", "integer"), "1 2 3\n", 1, "3 values", "2: the fields of t in ORDER order"),
        (("integer", "integer"), "1\n", 1, "1 values", "2: the fields"),
        (("integer\n  EXTENT 3", "integer"), "1 2 3\n", 1, "3 values", "expected 4"),
        (("character", "character"), '"a" "b"c "d"\n', 1, '"b"c', "a blank or the end of the record"),
        (("character", "character"), '"a" "b\n', 1, "the end of the data", "the closing quote"),
        (("datetime",), "2024-02-31T00:00:00.000\n", 1, "2024-02-31", "a stamp"),
        (("datetime-tz",), "2024-01-31T00:00:00.000\n", 1, "2024-01-31", "+01:00"),
        (("raw",), '"***"\n', 1, "***", "base64"),
        (("blob",), '"../secret"\n', 1, "../secret", "the name of a file beside the dump"),
        (("blob",), '"none.blb"\n', 1, "none.blb", "a file of that name"),
        (("character", "integer"), '"two\nlines" x\n', 2, "x", "a whole number"),
    ],
)
def test_malformed_records(tmp_path: Path, kinds: tuple[str, ...], body: str, line: int, found: str, expected: str) -> None:
    file = write_d(tmp_path / "t.d", body, records=1)
    with pytest.raises(DumpFormatError) as caught:
        list(read_dump(file, table(*kinds)).rows())
    message = caught.value.message
    assert message.startswith(f"{file}:{line}: found ")
    assert found in message.split("expected")[0]
    assert expected in message


def test_the_count_is_held_against_the_trailer(tmp_path: Path) -> None:
    file = write_d(tmp_path / "t.d", "1\n2\n", records=3)
    with pytest.raises(DumpFormatError, match="holds 2 records, expected 3 as its trailer says"):
        list(read_dump(file, table("integer")).rows())


@pytest.mark.parametrize("keys", [{"numformat": "x"}, {"dateformat": "dmx-1950"}, {"records": "many"}, {"cpstream": "KLINGON"}])
def test_broken_trailers_are_refused(tmp_path: Path, keys: dict[str, str]) -> None:
    file = write_d(tmp_path / "t.d", "1\n", records=1)
    old, new = next(iter(keys.items()))
    file.write_bytes(re.sub(rf"{old}=.*".encode(), f"{old}={new}".encode(), file.read_bytes()))
    with pytest.raises(DumpFormatError, match=new):
        read_dump(file, table("integer"))


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    file = write_d(tmp_path / "t.d", "1\n2\n", records=2)
    file.write_bytes(file.read_bytes()[:4])
    with pytest.raises(DumpFormatError, match="has no trailer"):
        read_dump(file, table("integer"))


def test_arrow_batches_are_bounded_and_typed(tmp_path: Path) -> None:
    file = write_d(tmp_path / "t.d", "".join(f'{i} ,5 01/01/12024 {i} ? "x"\n' for i in range(25)), records=25)
    dump = read_dump(file, table("integer", "decimal\n  MAX-WIDTH 9\n  DECIMALS 2", "date", "int64\n  EXTENT 2", "character"))
    batches = list(dump.arrow_batches(10))
    assert [b.num_rows for b in batches] == [10, 10, 5]
    assert [str(t) for t in batches[0].schema.types] == ["int32", "decimal128(9, 2)", "date32[day]", "list<item: int64>", "string"]
    assert batches[0].column(3).to_pylist()[7] == [7, None]
    assert batches[0].column(2).cast("int32").to_pylist()[0] == days_since_1970(12024, 1, 1)
    file = write_d(tmp_path / "t.d", "1,005\n", records=1)
    with pytest.raises(DumpFormatError, match=r"column 'f1' holds a value that does not fit decimal\(9,2\)"):
        list(read_dump(file, table("decimal\n  MAX-WIDTH 9\n  DECIMALS 2")).arrow_batches())


@given(st.dates())
def test_days_since_1970_agrees_with_python(day: dt.date) -> None:
    assert days_since_1970(day.year, day.month, day.day) == (day - dt.date(1970, 1, 1)).days
    assert days_since_1970(day.year + 400, day.month, day.day) - days_since_1970(day.year, day.month, day.day) == 146_097


TEXT = st.one_of(st.none(), st.text(alphabet=st.characters(codec="latin-1", exclude_characters="\r")), st.text(alphabet='"\n .?~PSC'))
ROW = st.tuples(TEXT, st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)), TEXT, st.one_of(st.none(), st.dates()), TEXT)


def _token(value: object) -> str:
    if value is None:
        return "?"
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return f"{value.day:02d}/{value.month:02d}/{value.year:04d}" if isinstance(value, dt.date) else str(value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=8))
def test_reading_undoes_writing(tmp_path: Path, rows: list[tuple[object, ...]]) -> None:
    body = "".join(" ".join(_token(v) for v in row) + "\n" for row in rows)
    file = write_d(tmp_path / "t.d", body, records=len(rows))
    dump = read_dump(file, table("character", "integer", "character", "date", "character\n  EXTENT 1"))
    assert list(dump.rows()) == [(*row[:4], [row[4]]) for row in rows]


@needs_real_dumps
@pytest.mark.parametrize(("folder", "name"), real_tables())
def test_real_dumps_equal_an_independent_reading(folder: str, name: str) -> None:
    found = next(t for t in load_dump_folder(ROOT / folder).dumped if t.table.name == name)
    assert found.dump is not None
    dump = found.open()
    rows = list(dump.rows())
    raw = found.dump.read_bytes().decode("latin_1")
    body, _, trailer = raw.rpartition("\n.\nPSC\n")
    promised = re.search(r"records=(\d+)", trailer)
    assert promised is not None
    assert len(rows) == int(promised[1])
    # The csv module reads the same quoting: it cannot tell "?" from ?, which no real dump here holds quoted.
    independent = list(csv.reader(io.StringIO(body, newline=""), delimiter=" "))
    assert len(independent) == len(rows)
    for ours, theirs in zip(rows, independent, strict=True):
        flat = [v for value in ours for v in (value if isinstance(value, list) else [value])]
        assert [_plain(v, found.dump.parent, t) for v, t in zip(flat, theirs, strict=True)] == theirs


def _plain(value: object, folder: Path, theirs: str) -> str:
    """The token a value came from, spelled the way these dumps do."""
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return theirs if (folder / theirs).read_bytes() == value else "another file"
    if isinstance(value, dt.date):
        return f"{value:%d/%m/%y}" if 1950 <= value.year < 2050 else f"{value:%d/%m/%Y}"
    if isinstance(value, Decimal):
        text = f"{value:f}".replace(".", ",")
        return re.sub(r"^(-?)0,", r"\1,", text)
    return str(value)


@needs_real_dumps
def test_folders_match_dumps_to_tables() -> None:
    sports = load_dump_folder(ROOT / "sports2000")
    assert (len(sports.dumped), sum(t.open().records or 0 for t in sports.dumped)) == (23, 8910)
    assert [t.name for t in sports.without_dump] == ["Customer", "Order", "OrderLine"]
    assert (sports.unmatched, sports.warnings) == ((), ())
    pct = load_dump_folder(ROOT / "pct")
    assert (len(pct.dumped), sum(t.open().records or 0 for t in pct.dumped)) == (8, 19)
    assert any("which it does not define" in w for w in pct.warnings)


def test_folders_without_schema_and_files_without_table_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DumpFormatError, match=r"holds no \.df file"):
        load_dump_folder(tmp_path)
    (tmp_path / "s.df").write_text('ADD TABLE "Client"\n  DUMP-NAME "clt"\nADD FIELD "f1" OF "client" AS integer\n')
    write_d(tmp_path / "CLT.D", "1\n", records=1, filename="client")
    write_d(tmp_path / "other.d", "1\n", records=1, filename="other")
    write_d(tmp_path / "_user.d", "1\n", records=1, filename="_User")
    folder = load_dump_folder(tmp_path)
    assert [(t.table.name, list(t.open().rows())) for t in folder.dumped] == [("Client", [(1,)])]
    assert [f.name for f in folder.unmatched] == ["other.d"]
    assert folder.warnings[0].endswith("other.d: belongs to no table of the schema")
