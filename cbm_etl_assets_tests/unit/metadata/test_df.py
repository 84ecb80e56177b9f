"""`.df` files: grammar, deltas, code pages, malformed files, and the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from cbm_etl_assets.errors import DumpFormatError
from cbm_etl_assets.metadata.df import DfSchema, parse_df, read_df
from cbm_etl_assets_tests.unit.metadata.dumps import ROOT, needs_real_dumps

CLIENT = """\
# the customers
ADD TABLE "client"
  DUMP-NAME "clt"
  LABEL "Clients"

ADD FIELD "nom" OF "Client" AS character
  ORDER 20
  HELP "the ""legal"" name
on two lines"
  MAX-WIDTH 60
  INITIAL ?
ADD FIELD "cod-cli" OF "client" AS integer
  MANDATORY
  ORDER 10
  LABEL "Code"
ADD FIELD "ca" OF "client" AS decimal
  DECIMALS 2
  EXTENT 5
  MAX-WIDTH 89
  ORDER 30

ADD UNIQUE INDEX "pk" ON "client"
  PRIMARY
  INDEX-FIELD "cod-cli" ASCENDING
ADD INDEX "mots" ON "client"
  WORD
  INACTIVE
  INDEX-FIELD "nom" DESCENDING ABBREVIATED
"""


def _types(schema: DfSchema, table: str) -> dict[str, str]:
    found = schema.table(table)
    assert found is not None
    return {c.name: str(c.type) for c in found.columns}


def test_options_come_in_any_order_and_columns_in_order_order() -> None:
    schema = parse_df(CLIENT)
    table = schema.table("CLIENT")
    assert table is not None
    assert (table.name, table.dump_name, table.label) == ("client", "clt", "Clients")
    assert [c.name for c in table.columns] == ["cod-cli", "nom", "ca"]
    code, name, ca = table.columns
    assert (code.mandatory, code.label, str(code.type)) == (True, "Code", "integer")
    assert (str(name.type), name.sql_width, name.description) == ("varchar(60)", 60, 'the "legal" name\non two lines')
    assert (str(ca.type), ca.extent, ca.sql_width) == ("decimal(18,2)", 5, 89)
    primary, words = table.indexes
    assert (primary.columns, primary.unique, primary.primary, primary.active) == (("cod-cli",), True, True, True)
    assert (words.unique, words.primary, words.active, words.word) == (False, False, False, True)
    assert schema.warnings == ()


def test_indented_statements_and_crlf_read_alike() -> None:
    indented = "".join(f"   {line}\r\n" for line in CLIENT.splitlines() if not line.startswith("on two"))
    assert _types(parse_df(indented.replace('name"', 'name""').replace("name\r\n", 'name"\r\n')), "client") == _types(
        parse_df(CLIENT), "client"
    )


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("character\n  MAX-WIDTH 31000", "varchar(31000)"),
        ("character\n  SQL-WIDTH 8", "varchar(8)"),
        ("character", "varchar"),
        ("character\n  EXTENT 3\n  MAX-WIDTH 32", "varchar(30)"),
        ("integer\n  MAX-WIDTH 4", "integer"),
        ("int64", "bigint"),
        ("recid", "bigint"),
        ("decimal\n  MAX-WIDTH 17\n  DECIMALS 2", "decimal(17,2)"),
        ("decimal\n  MAX-WIDTH 50\n  DECIMALS 10", "decimal(38,10)"),
        ("decimal\n  MAX-WIDTH 5\n  DECIMALS ?", "decimal(15,10)"),
        ("decimal", "decimal(38,10)"),
        ("logical", "boolean"),
        ("date", "date"),
        ("datetime", "timestamp"),
        ("datetime-tz", "timestamptz"),
        ("raw\n  MAX-WIDTH 16", "binary(16)"),
        ('blob\n  LOB-AREA "Lobs"\n  LOB-BYTES 104857600\n  LOB-SIZE 100M', "binary"),
        ("clob\n  CLOB-CODEPAGE UTF-8", "varchar"),
    ],
)
def test_types(declared: str, expected: str) -> None:
    schema = parse_df(f'ADD TABLE "t"\nADD FIELD "f" OF "t" AS {declared}\n')
    assert _types(schema, "t") == {"f": expected}
    assert schema.warnings == ()


DELTA = """\
UPDATE DATABASE "?"
ADD FIELD "ville" OF "client" AS character
  MAX-WIDTH 30
  ORDER 40
UPDATE FIELD "nom" OF "client"
  MAX-WIDTH 90
  MANDATORY
RENAME FIELD "cod-cli" OF "client" TO "code"
DROP FIELD "ca" OF "client"
RENAME INDEX "pk" TO "key" ON "client"
UPDATE INDEX "mots" ON "client"
  ACTIVE
DROP SEQUENCE "s"
"""


def test_a_delta_without_its_base_is_reported() -> None:
    schema = parse_df(DELTA, "delta.df")
    assert schema.tables == ()
    assert schema.missing_tables == ("client",)
    assert [str(d) for d in schema.deltas] == [
        'ADD FIELD "ville" of "client"', 'UPDATE FIELD "nom" of "client"', 'RENAME FIELD "cod-cli" of "client" to "code"',
        'DROP FIELD "ca" of "client"', 'RENAME INDEX "pk" of "client" to "key"', 'UPDATE INDEX "mots" of "client"',
    ]  # fmt: skip
    assert not any(d.applied for d in schema.deltas)
    assert schema.warnings == ('delta.df: changes table "client", which it does not define: read its base schema first',)


def test_a_delta_is_applied_to_its_base() -> None:
    schema = parse_df(DELTA, base=parse_df(CLIENT))
    assert _types(schema, "client") == {"code": "integer", "nom": "varchar(90)", "ville": "varchar(30)"}
    table = schema.table("client")
    assert table is not None
    assert table.columns[0].mandatory
    assert table.columns[1].mandatory
    assert [(i.name, i.columns, i.primary, i.active) for i in table.indexes] == [
        ("key", ("code",), True, True),
        ("mots", ("nom",), False, True),
    ]
    assert all(d.applied for d in schema.deltas)
    assert schema.missing_tables == ()


def test_changes_of_tables_follow_a_rename() -> None:
    schema = parse_df('RENAME TABLE "old" TO "new"\nADD FIELD "f" OF "new" AS date\nDROP TABLE "gone"\n')
    assert schema.missing_tables == ("old", "gone")
    after = parse_df('RENAME TABLE "client" TO "customer"\n', base=parse_df(CLIENT))
    assert [t.name for t in after.tables] == ["customer"]
    assert parse_df('DROP TABLE "client"\n', base=parse_df(CLIENT)).tables == ()


@pytest.mark.parametrize(
    ("text", "line", "found", "expected"),
    [
        ('ADD TABLE "t"\nADD FIELD "f" OF "t" AS charcter\n', 2, "charcter", "a data type: character, decimal"),
        ('ADD TABLE "t"\nADD FIELD "f" OF "t"\n', 2, "end of the line", "AS"),
        ('ADD TABLE "t"\nADD FIELD "f" ON "t" AS date\n', 2, "ON", "OF"),
        ('ADD TABLE "t"\nADD FIELD "f" OF "t" AS date\n  ORDER ten\n', 3, "ten", "a whole number after ORDER"),
        ('ADD TABLE "t"\nADD FIELD "f" OF "t" AS date\n  LABEL x\n', 3, "x", "a text in quotes after LABEL"),
        ('ADD TABLE "t"\nADD FIELD "f" OF "t" AS date\n  ORDER\n', 3, "end of the line", "ORDER followed by a number"),
        ('ADD TABLE "t"\nADD FIELD "f" OF "t" AS integer\n  EXTENT 99999\n', 2, "EXTENT 99999", "0 to 28000"),
        ('ADD TABLE "t"\nADD TABLE "T"\n', 2, "a second time", "each table once"),
        ('ADD TABLE "t"\nADD FIELD "f" OF "t" AS date\nADD FIELD "F" OF "t" AS date\n', 3, "a second time", "each field once"),
        ('ADD TABLE "t"\nADD FIELD "f" OF "t" AS date\nADD INDEX "i" ON "t"\n  INDEX-FIELD "g" ASCENDING\n', 4, '"g"', 'a field of "t": f'),
        ('  LABEL "x"\n', 1, "LABEL", "ADD, UPDATE, RENAME or DROP"),
        ('ADD "t"\n', 1, '"t"', "TABLE or FIELD"),
        ('ADD TABLE "t"\n  LABEL "never closed\n', 2, '"', "closing quote"),
        ('ADD TABLE "t"\n  LABEL "a\n  HELP "b"\n', 3, 'b"', "opened on line 2"),
        ('ADD TABLE "t"\n  "x"\n', 2, '"x"', "an option of ADD TABLE"),
        ("\x7fELF\x00\x00", 1, "NUL", "text"),
    ],
)
def test_malformed_files_say_line_token_and_what_was_expected(text: str, line: int, found: str, expected: str) -> None:
    with pytest.raises(DumpFormatError) as caught:
        parse_df(text, "bad.df")
    assert caught.value.message.startswith(f"bad.df:{line}: found ")
    assert found in caught.value.message
    assert expected in caught.value.message


def test_unknown_options_are_reported_not_fatal() -> None:
    schema = parse_df('ADD TABLE "t"\n  SHINY-NEW "yes" 3\nADD FIELD "f" OF "t" AS date\n', "new.df")
    assert schema.warnings == ('new.df:2: unknown option SHINY-NEW of TABLE "t" is left out',)


@pytest.mark.parametrize(
    ("cpstream", "codec"),
    [
        ("ISO8859-1", "latin_1"), ("ISO8859-15", "iso8859_15"), ("UTF-8", "utf-8"), ("1252", "cp1252"), ("ibm850", "cp850"),
        ("UNDEFINED", "utf-8"), (None, "latin_1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_code_page_of_the_trailer_is_obeyed(tmp_path: Path, cpstream: str | None, codec: str, end: str) -> None:
    text = 'ADD TABLE "t"\n  DESCRIPTION "Libellé où"\nADD FIELD "f" OF "t" AS date\n\n'
    trailer = f".\nPSC\ncpstream={cpstream}\n.\n0000099999\n" if cpstream else ""
    file = tmp_path / "t.df"
    file.write_bytes((text + trailer).replace("\n", end).encode(codec))
    schema = read_df(file)
    assert schema.tables[0].description == "Libellé où"
    assert schema.codepage == (cpstream or "")


def test_bytes_outside_the_code_page_and_unknown_pages_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.df"
    file.write_bytes(b'ADD TABLE "t"\n  LABEL "\xe9"\n.\nPSC\ncpstream=UTF-8\n.\n0\n')
    with pytest.raises(DumpFormatError, match=r"t\.df:2: byte 0xe9 is not a character of code page utf-8"):
        read_df(file)
    file.write_bytes(b'ADD TABLE "t"\n.\nPSC\ncpstream=KLINGON\n.\n0\n')
    with pytest.raises(DumpFormatError, match=r"unknown code page 'KLINGON'\. Known: ISO8859-1"):
        read_df(file)
    with pytest.raises(DumpFormatError, match=r"nowhere\.df: cannot be read"):
        read_df(tmp_path / "nowhere.df")


@needs_real_dumps
@pytest.mark.parametrize(
    ("file", "tables", "columns", "sequences"),
    [
        ("sports2000/sports2000.df", 26, 221, 13),
        ("pct/sp2k.df", 25, 210, 13),
        ("pct/xlatedb.df", 13, 88, 0),
        ("pct/tests_PCTBinaryDump_test6_schema.df", 3, 3, 0),
        ("pct/tests_PCTBinaryLoad_test4_schema.df", 2, 2, 0),
        ("pct/tests_PCTCRC_test3_schema.df", 1, 1, 0),
        ("pct/tests_PCTCompile_test14_schema.df", 1, 3, 0),
        ("pct/tests_PCTCompile_test81_delta.df", 0, 0, 0),
    ],
)
def test_real_schema_dumps(file: str, tables: int, columns: int, sequences: int) -> None:
    schema = read_df(ROOT / file)
    assert (len(schema.tables), sum(len(t.columns) for t in schema.tables), len(schema.sequences)) == (tables, columns, sequences)
    assert bool(schema.missing_tables) == file.endswith("delta.df")
    assert not [w for w in schema.warnings if "unknown option" in w]


@needs_real_dumps
def test_sports2000_has_its_array_its_blobs_and_no_wholly_mandatory_key() -> None:
    schema = read_df(ROOT / "sports2000/sports2000.df")
    salesrep = schema.table("Salesrep")
    assert salesrep is not None
    quota = salesrep.column("monthquota")
    assert quota is not None
    assert (quota.extent, str(quota.type), quota.sql_width) == (12, "integer", 264)
    assert {c.abl_type for c in salesrep.columns} >= {"blob"}
    for table in schema.tables:
        for index in table.indexes:
            columns = [table.column(name) for name in index.columns]
            assert not (index.unique and all(c and c.mandatory for c in columns))
