"""Item 8 of the promises, type by type, through the whole line and by both readers: exact, or left out and named.

A plain PostgreSQL through psqlODBC stands for a source whose values OpenEdge cannot store; what OpenEdge has of its own (arrays,
three-state logicals, offsets as text) is driven through the twin. ODS is read by a connection of the test's own.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import duckdb
import pytest
from pydantic import SecretStr

from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.propose import propose_spec
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.platform import Platform, open_platform
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode
from cbm_etl_assets.pipeline.verify import verify
from cbm_etl_assets.settings import Settings, SourceSettings
from cbm_etl_assets.source.odbc import OdbcSource
from cbm_etl_assets.source.readers import UNBOUND
from cbm_etl_assets.twin import store
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets.twin.load import load_dump_folder_into_twin
from cbm_etl_assets_tests.type_cases import CASES, LEFT_OUT, TypeCase

pytestmark = pytest.mark.integration
READERS = ("arrow-odbc", "pyodbc")


Dialect = Literal["ansi", "openedge"]


def platform_on(home: Path, connection_string: str, dialect: Dialect = "ansi") -> Platform:
    string = SecretStr(connection_string)
    return open_platform(Settings(home=home, source=SourceSettings(connection_string=string, dialect=dialect)), {})


@pytest.fixture(scope="module")
def plain(twin: TwinHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Platform]]:
    """A platform a reader, both on the plain side of the twin."""
    platforms = {reader: platform_on(tmp_path_factory.mktemp("types"), twin.plain_odbc) for reader in READERS}
    yield platforms
    for platform in platforms.values():
        platform.close()


def load(platform: Platform, spec: TableSpec, reader: str = "arrow-odbc") -> LoadResult:
    if reader == "pyodbc":
        assert isinstance(platform.source, OdbcSource)
        platform.source._caps.remember(spec.name, UNBOUND)
    result = load_table(platform, spec, LoadOptions(Mode.FULL))
    manifest = platform.lake.latest(spec.name)
    assert manifest is not None
    assert manifest.reader in (reader, "pyodbc"), "a value longer than any buffer is read by the other one"
    assert result.outcome.read == result.outcome.accounted
    return result


def ods(platform: Platform, table: str, columns: str = "v") -> dict[int, Any]:
    with duckdb.connect(platform.settings.warehouse_path, read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(f'SELECT id, {columns} FROM ods."{table}" WHERE NOT _is_deleted').fetchall()
    return {row[0]: row[1] if len(row) == 2 else row[1:] for row in rows}


def strict(values: Mapping[int, Any]) -> dict[int, str]:
    """With their types, and -0.0 and NaN told apart: 1, True and Decimal(1) are equal in Python and not in a warehouse."""
    return {key: ", ".join(map(shown, value)) if isinstance(value, tuple) else shown(value) for key, value in values.items()}


def shown(value: Any) -> str:
    if isinstance(value, dt.datetime) and value.tzinfo:
        value = value.astimezone(dt.UTC)
    text = f"{type(value).__name__} {value!r}"
    return text if len(text) < 200 else f"{text[:80]} {len(text)} {hash(text)}"


def spec_of(platform: Platform, table: str, declared: Mapping[str, str]) -> TableSpec:
    """What `tables add` proposes, with what the case declares of the value column."""
    fields = propose_spec(platform.source.catalogue("pub", table)).model_dump(exclude_unset=True)
    fields["columns"] = [c | dict(declared) if c["name"] == "v" else c for c in fields["columns"]]
    return TableSpec.model_validate(fields)


def create(twin: TwinHandle, table: str, kind: str, values: list[str | None]) -> None:
    with twin.pg() as conn:
        conn.execute(f"CREATE TABLE pub.{table} (id integer PRIMARY KEY, v {kind})")
        for number, text in enumerate(values, start=1):
            conn.execute(f"INSERT INTO pub.{table} VALUES (%s, (%s::text)::{kind})", (number, text))
        conn.execute(f"GRANT SELECT ON pub.{table} TO PUBLIC")


def drop(twin: TwinHandle, table: str) -> None:
    with twin.pg() as conn:
        conn.execute(f"DROP TABLE pub.{table}")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_value_is_exact_or_left_out_in_words(twin: TwinHandle, plain: dict[str, Platform], case: TypeCase) -> None:
    table = f"t_{case.name}"
    create(twin, table, case.source, [text for text, _ in case.values])
    try:
        for reader, platform in plain.items():
            spec = spec_of(platform, table, case.spec)
            assert str(spec.column("v").logical) == case.logical
            result = load(platform, spec, reader)
            wanted = {number: value for number, (_, value) in enumerate(case.values, start=1) if value is not LEFT_OUT}
            assert strict(ods(platform, table)) == strict(wanted), reader
            assert_left_out(platform, spec, case)
            again = load(platform, spec, reader).outcome
            assert (again.unchanged, again.quarantined) == (result.outcome.inserted, len(case.left_out)), "stable"
            certificate = verify(platform, spec)
            assert (certificate.equal, certificate.pending, certificate.quarantined) == (True, 0, len(case.left_out))
    finally:
        drop(twin, table)


def assert_left_out(platform: Platform, spec: TableSpec, case: TypeCase) -> None:
    """Each under its key, with its column, and the value as the source wrote it."""
    entries = {json.loads(e.row.key_json)["id"]: e.row for e in platform.control.quarantine_entries(spec.name)}
    assert entries.keys() == {str(number) for number, (_, value) in enumerate(case.values, start=1) if value is LEFT_OUT}
    for number, (text, _) in enumerate(case.values, start=1):
        if str(number) in entries:
            row = entries[str(number)]
            shown = json.loads(row.payload)["v"]
            assert (row.column, row.error_class) == ("v", "ConversionError")
            assert shown.lower().startswith(str(text).lower().split("+")[0][:12]) or shown in ("nan", "inf", "-inf"), (shown, text)


def test_both_readers_write_the_same_rows(twin: TwinHandle, plain: dict[str, Platform]) -> None:
    """The same hashes, so a table that changes its reader rewrites nothing."""
    create(twin, "t_both", "timestamptz", ["2026-10-25 02:30:00+02", None, "1700-01-01 00:00:00+00", "infinity"])
    try:
        platform = plain["arrow-odbc"]
        spec = spec_of(platform, "t_both", {})
        assert load(platform, spec).outcome.inserted == 3
        assert load(platform, spec, "pyodbc").outcome.unchanged == 3
    finally:
        drop(twin, "t_both")


@pytest.mark.parametrize("kind", ["text", "bytea"])
def test_a_megabyte_is_neither_cut_nor_refused(twin: TwinHandle, plain: dict[str, Platform], kind: str) -> None:
    table, long = f"t_long_{kind}", "é€😀x" * 262_144
    create(twin, table, kind, [None, ""])
    try:
        value: Any = long if kind == "text" else bytes(range(256)) * 4096
        with twin.pg() as conn:
            conn.execute(f"INSERT INTO pub.{table} VALUES (3, %s)", (value,))
        platform = plain["arrow-odbc"]
        load(platform, spec_of(platform, table, {}), "pyodbc")
        assert ods(platform, table) == {1: None, 2: value[:0], 3: value}
    finally:
        drop(twin, table)


PARIS = SourceTable(
    "t_paris",
    (
        SourceColumn("id", LogicalType.parse("integer"), "integer", mandatory=True),
        SourceColumn("v", LogicalType.parse("timestamptz"), "datetime-tz"),
    ),
    (SourceIndex("pk", ("id",), unique=True, primary=True),),
)


@pytest.mark.parametrize("session", ["", "ConnSettings=SET+TIME+ZONE+'Europe/Paris';"])
@pytest.mark.parametrize("dialect", ["ansi", "openedge"])
def test_tf22_aware_stamps_of_a_session_in_paris_are_two_instants(
    clean_twin: TwinHandle, tmp_path: Path, dialect: Dialect, session: str
) -> None:
    """The account's own zone is Paris, too, and an operator may pin the session to it."""
    string = clean_twin.plain_odbc if dialect == "ansi" else clean_twin.odbc
    platform = platform_on(tmp_path, f"{string};{session}", dialect)
    with clean_twin.pg() as conn:
        store.create_table(conn, PARIS)
        conn.execute("INSERT INTO pub.t_paris VALUES (1, '2026-10-25 02:30:00+02'), (2, '2026-10-25 02:30:00+01')")
        conn.execute("ALTER ROLE replica SET timezone = 'Europe/Paris'")
    try:
        spec = propose_spec(platform.source.catalogue("pub" if dialect == "ansi" else "PUB", "t_paris"))
        load(platform, spec)
        exact = {1: dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC), 2: dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC)}
        assert ods(platform, "t_paris") == exact
    finally:
        with clean_twin.pg() as conn:
            conn.execute("ALTER ROLE replica RESET timezone")
        platform.close()


def test_tf21_a_latin1_database(twin: TwinHandle, tmp_path: Path) -> None:
    """Bytes 0x80 to 0xff as that database stores them; the same in a key."""
    texts = [bytes([byte]).decode("latin-1") for byte in range(0x80, 0x100)]
    with twin.pg() as conn:
        conn.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        import psycopg

        with psycopg.connect(**(twin_parameters(twin) | {"dbname": "latin"}), autocommit=True) as conn:
            conn.execute("CREATE SCHEMA pub; CREATE TABLE pub.t_latin (id integer, k varchar(2) PRIMARY KEY, v text)")
            conn.cursor().executemany(
                "INSERT INTO pub.t_latin VALUES (%s, convert_from(%s, 'LATIN1'), convert_from(%s, 'LATIN1'))",
                [(i, t.encode("latin-1"), (t * 3).encode("latin-1")) for i, t in enumerate(texts)],
            )
            conn.execute("GRANT USAGE ON SCHEMA pub TO PUBLIC; GRANT SELECT ON pub.t_latin TO PUBLIC")
            row = conn.execute("SELECT octet_length(v) FROM pub.t_latin WHERE id = 0").fetchone()
            assert row == (3,), "one byte a character in that database"
        platform = platform_on(tmp_path, twin.plain_odbc.replace("DATABASE=", "DATABASE=latin;X="))
        try:
            for reader in READERS:
                spec = propose_spec(platform.source.catalogue("pub", "t_latin"))
                load(platform, spec, reader)
                assert ods(platform, "t_latin", "k, v") == {i: (t, t * 3) for i, t in enumerate(texts)}
        finally:
            platform.close()
    finally:
        with twin.pg() as conn:
            conn.execute("DROP DATABASE latin WITH (FORCE)")


def twin_parameters(twin: TwinHandle) -> dict[str, Any]:
    with twin.pg() as conn:
        return {"host": "127.0.0.1", "port": twin.pg_port, "user": conn.info.user, "password": twin.secret}


TORTURE = SourceTable(
    "torture",
    (
        SourceColumn("id", LogicalType.parse("integer"), "integer", mandatory=True, order=10),
        SourceColumn("flag", LogicalType.parse("boolean"), "logical", order=20),
        SourceColumn("big", LogicalType.parse("bigint"), "int64", order=30),
        SourceColumn("amount", LogicalType.parse("decimal(38,10)"), "decimal", order=40),
        SourceColumn("day", LogicalType.parse("date"), "date", order=50),
        SourceColumn("at", LogicalType.parse("timestamp"), "datetime", order=60),
        SourceColumn("seen", LogicalType.parse("timestamptz"), "datetime-tz", order=70),
        SourceColumn("name", LogicalType.parse("varchar(40)"), "character", sql_width=40, order=80),
        SourceColumn("words", LogicalType.parse("varchar(20)"), "character", extent=5, sql_width=60, order=90),
        SourceColumn("prices", LogicalType.parse("decimal(18,2)"), "decimal", extent=3, sql_width=60, order=100),
        SourceColumn("flags", LogicalType.parse("boolean"), "logical", extent=3, sql_width=20, order=110),
        SourceColumn("photo", LogicalType.parse("binary"), "blob", order=120),
        SourceColumn("memo", LogicalType.parse("varchar"), "clob", order=130),
    ),
    (SourceIndex("pk", ("id",), unique=True, primary=True),),
)
# What is stored, and the row of ODS after `id`.
ROWS: tuple[tuple[tuple[Any, ...], tuple[Any, ...]], ...] = (
    (
        (True, 2**63 - 1, Decimal("9" * 28 + ".0123456789"), dt.date(1, 1, 1), dt.datetime(1, 1, 1), dt.datetime(2026, 10, 25, 0, 30,
         tzinfo=dt.UTC), "", "a~;b;~~;~?;?;", "1.5;?;-2", "1;0;?", b"\0\xff", "é" * 40_000),
        (True, 2**63 - 1, Decimal("9" * 28 + ".0123456789"), dt.date(1, 1, 1), dt.datetime(1, 1, 1), dt.datetime(2026, 10, 25, 0, 30,
         tzinfo=dt.UTC), "", "a;b", "~", "?", None, "", Decimal("1.50"), None, Decimal("-2.00"), True, False, None, b"\0\xff",
         "é" * 40_000),
    ),
    (
        (False, -(2**63), Decimal("-0.0000000001"), dt.date(9999, 12, 31), dt.datetime(2026, 10, 25, 2, 30, 0, 1), dt.datetime(2026, 10, 25,
         1, 30, tzinfo=dt.UTC), "  b  ", ";;;;", "?;?;?", "?;?;?", b"", ""),
        (False, -(2**63), Decimal("-1E-10"), dt.date(9999, 12, 31), dt.datetime(2026, 10, 25, 2, 30, 0, 1), dt.datetime(2026, 10, 25,
         1, 30, tzinfo=dt.UTC), "  b  ", "", "", "", "", "", None, None, None, None, None, None, b"", ""),
    ),
    ((None,) * 12, (None,) * 20),
)  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_what_openedge_has_of_its_own(clean_twin: TwinHandle, tmp_path: Path, reader: str) -> None:
    """Three-state logicals, arrays with escapes and NULL elements, offsets as text, BLOB and CLOB, through the OpenEdge dialect."""
    with clean_twin.pg() as conn:
        store.create_table(conn, TORTURE)
        for number, (stored, _) in enumerate(ROWS, start=1):
            conn.execute("INSERT INTO pub.torture VALUES (" + ", ".join(["%s"] * 13) + ")", (number, *stored))
    platform = platform_on(tmp_path, clean_twin.odbc, "openedge")
    try:
        spec = propose_spec(platform.source.catalogue("PUB", "torture"))
        load(platform, spec, reader if reader == "pyodbc" else "arrow-odbc")
        names = ", ".join(f'"{name}"' for name, _ in spec.target_columns if name != "id")
        wanted = {number: row for number, (_, row) in enumerate(ROWS, start=1)}
        assert strict(ods(platform, "torture", names)) == strict(wanted)
        assert verify(platform, spec).equal
    finally:
        platform.close()


@pytest.mark.parametrize(("page", "codec", "text"), [
    ("1252", "cp1252", "prix 5 € ‘été’ Œuvre"), ("ibm850", "cp850", "été ░▒▓ ñ"), ("iso8859-15", "iso8859-15", "5 € œuvre"),
    ("iso8859-1", "latin-1", "été \x80\x9f"), ("utf-8", "utf-8", "é€😀"),
])  # fmt: skip
def test_bytes_of_a_dump_in_its_code_page(clean_twin: TwinHandle, tmp_path: Path, page: str, codec: str, text: str) -> None:
    """From the bytes of the `.d` to ODS."""
    dump = tmp_path / "dump"
    dump.mkdir()
    fields = "".join(
        f'ADD FIELD "{name}" OF "page" AS {kind}\n  ORDER {order}\n  MAX-WIDTH 60\n\n'
        for name, kind, order in (("id", "integer", 10), ("v", "character", 20))
    )
    schema = f'ADD TABLE "page"\n  DUMP-NAME "page"\n\n{fields}ADD UNIQUE INDEX "pk" ON "page"\n  PRIMARY\n  INDEX-FIELD "id" ASCENDING\n'
    (dump / "page.df").write_text(schema, encoding="ascii")
    trailer = f".\nPSC\nfilename=page\nrecords=0000000000001\nldbname=x\nnumformat=44,46\ndateformat=dmy-1950\ncpstream={page}\n.\n"
    body = f'1 "{text}"\n'.encode(codec)
    (dump / "page.d").write_bytes(body + trailer.encode() + f"{len(body):010d}\n".encode())
    load_dump_folder_into_twin(clean_twin, dump)
    platform = platform_on(tmp_path / "home", clean_twin.odbc, "openedge")
    try:
        spec = propose_spec(platform.source.catalogue("PUB", "page"), null_columns=frozenset())
        load(platform, spec)
        assert ods(platform, "page") == {1: text}
    finally:
        platform.close()
