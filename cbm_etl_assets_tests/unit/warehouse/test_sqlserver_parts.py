"""The pure parts of the SQL Server dialect: types, row sizes, connection strings, errors, the driver's rows as Arrow."""

from __future__ import annotations

import datetime as dt
import struct
from decimal import Decimal

import pyarrow as pa
import pyodbc
import pytest

from cbm_etl_assets.errors import (
    CbmError,
    ConfigurationError,
    ConversionError,
    MissingDependencyError,
    TransientWarehouseError,
    WarehouseError,
)
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.settings import Settings, SqlServerSettings, WarehouseSettings
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.dialects import sqlserver_bulk, sqlserver_connect
from cbm_etl_assets.warehouse.dialects.sqlserver import SqlServerWarehouse
from cbm_etl_assets.warehouse.dialects.sqlserver_bulk import BulkCopy, RowArrays, bulk_connection_string, choose_sender
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Connector, completed, pairs, read_datetimeoffset
from cbm_etl_assets.warehouse.dialects.sqlserver_errors import classify
from cbm_etl_assets.warehouse.dialects.sqlserver_read import arrow_batch, arrow_schema
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import make_statements
from cbm_etl_assets.warehouse.dialects.sqlserver_types import check_row, holds, may_overflow, same_hash, type_name
from cbm_etl_assets_tests.tsql.fake_server import failure


@pytest.mark.parametrize(("logical", "expected"), [
    ("varchar(30)", "nvarchar(30)"), ("varchar(4000)", "nvarchar(4000)"), ("varchar(4001)", "nvarchar(max)"), ("varchar", "nvarchar(max)"),
    ("binary(16)", "varbinary(16)"), ("binary(9000)", "varbinary(max)"), ("decimal(15,2)", "decimal(15,2)"), ("double", "float(53)"),
    ("boolean", "bit"), ("timestamp", "datetime2(6)"), ("timestamptz", "datetimeoffset(6)"), ("time", "time(6)"), ("bigint", "bigint"),
])  # fmt: skip
def test_every_type_has_its_name(logical: str, expected: str) -> None:
    assert type_name(LogicalType.parse(logical)) == expected


@pytest.mark.parametrize(("stored", "wanted", "fits"), [
    ("bigint", "int", True), ("int", "bigint", False), ("decimal(12,2)", "int", True), ("decimal(11,2)", "int", False),
    ("decimal(12,4)", "decimal(10,2)", True), ("decimal(10,4)", "decimal(10,2)", False), ("nvarchar(40)", "nvarchar(20)", True),
    ("nvarchar(20)", "nvarchar(40)", False), ("nvarchar(max)", "nvarchar(4000)", True), ("nvarchar(4000)", "nvarchar(max)", False),
    ("datetime2(6)", "date", True), ("date", "datetime2(6)", False), ("float", "float(53)", True), ("float", "bigint", False),
    ("float", "int", True), ("nvarchar(20)", "bigint", True), ("nvarchar(19)", "bigint", False), ("nvarchar(40)", "date", False),
    ("varbinary(max)", "varbinary(16)", True), ("nvarchar(40)", "", False), ("bit", "bit", True),
])  # fmt: skip
def test_which_type_holds_which(stored: str, wanted: str, fits: bool) -> None:
    assert holds(stored, wanted) is fits


def test_which_change_of_type_moves_the_row_hash() -> None:
    assert same_hash("int", "bigint")
    assert same_hash("decimal(10,2)", "decimal(12,4)")
    assert same_hash("nvarchar(20)", "nvarchar(max)")
    assert not same_hash("int", "decimal(12,0)")
    assert not same_hash("date", "datetime2(6)")


def test_a_row_that_cannot_fit_is_refused_before_the_server_does() -> None:
    with pytest.raises(WarehouseError, match=r"numbers and dates alone take 10\d{3} bytes a row; a row of SQL Server holds 8060"):
        check_row("produit", [(f"c{i}", "decimal(38,10)") for i in range(600)])
    check_row("produit", [(f"c{i}", "decimal(9,2)") for i in range(600)])
    check_row("produit", [(f"c{i}", "nvarchar(max)") for i in range(1000)])
    assert may_overflow([(f"c{i}", "nvarchar(30)") for i in range(600)])
    assert not may_overflow([(f"c{i}", "nvarchar(30)") for i in range(200)])


# --- connection strings --------------------------------------------------------------------------------------------------


def test_values_in_braces_hold_anything() -> None:
    text = "Server=tcp:h,1433 ;PWD={a;b=c}}d};; Encrypt = yes ;UID=x"
    assert pairs(text) == [("Server", "tcp:h,1433"), ("PWD", "{a;b=c}}d}"), ("Encrypt", "yes"), ("UID", "x")]
    assert pairs("") == []
    with pytest.raises(ConfigurationError, match="no '=' after keyword 2"):
        pairs("Server=h;secret")


def test_every_keyword_passes_through_and_a_driver_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyodbc, "drivers", lambda: ["ODBC Driver 18 for SQL Server"])
    given = "Server=h;UID=u;PWD={p};Encrypt=strict;PacketSize=32767;Authentication=ActiveDirectoryMsi;MultiSubnetFailover=yes"
    text = completed(given)
    assert given in text
    assert text.startswith("DRIVER={")
    assert text.endswith(";APP=cbm-etl;")
    assert completed("DSN=dwh;APP=mine;") == "DSN=dwh;APP=mine;"
    assert completed("Driver={My Own};Server=h").startswith("Driver={My Own};Server=h;")


def test_without_a_string_or_a_driver_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="CBM_WAREHOUSE__CONNECTION_STRING is not set"):
        completed(" ")
    monkeypatch.setattr(pyodbc, "drivers", list)
    monkeypatch.setattr(sqlserver_connect, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="ODBC Driver 18 for SQL Server") as caught:
        completed("Server=h")
    assert "cbm-etl-assets[sqlserver]" in caught.value.remedy


def test_a_registered_driver_comes_before_the_one_of_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyodbc, "drivers", lambda: ["SQLite3", "ODBC Driver 17 for SQL Server"])
    assert completed("Server=h").startswith("DRIVER={ODBC Driver 17 for SQL Server};Server=h;")


def test_the_bulk_copy_gets_the_keywords_it_knows() -> None:
    text = "Driver={x};Data Source=h,1;User ID=u;Password={p;q};Initial Catalog=d;App=a;Language=fr;TrustServerCertificate=yes;UID=other"
    assert bulk_connection_string(text) == "Server=h,1;UID=u;PWD={p;q};Database=d;TrustServerCertificate=yes;"
    assert "Trusted_Connection=yes;" in bulk_connection_string("Server=h;Integrated Security=SSPI")


def test_without_the_extra_rows_go_through_pyodbc_and_it_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    connector = Connector("Server=h", make_statements())
    monkeypatch.setattr(sqlserver_bulk, "find_spec", lambda _: None)
    assert isinstance(choose_sender(connector, make_statements(), "auto", 5), RowArrays)
    assert "pip install 'cbm-etl-assets[sqlserver]'" in caplog.text
    with pytest.raises(MissingDependencyError, match="mssql-python"):
        choose_sender(connector, make_statements(), "bulkcopy", 5)
    monkeypatch.setattr(sqlserver_bulk, "find_spec", lambda _: "found")
    assert choose_sender(connector, make_statements(), "auto", 5) == BulkCopy("Server=h", 5)
    assert isinstance(choose_sender(connector, make_statements(), "odbc", 5), RowArrays)


def test_a_library_the_bulk_copy_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise ImportError("libltdl.so.7: cannot open shared object file")

    monkeypatch.setattr(sqlserver_bulk, "import_module", broken)
    empty = pa.schema([pa.field("k", pa.int64())]).empty_table().to_reader()
    with pytest.raises(MissingDependencyError, match=r"libltdl\.so\.7"):
        BulkCopy("Server=h", 5)(make_statements().ident("stg", "t__1"), ["k"], empty)


def test_no_secret_shows_in_a_repr() -> None:
    settings = Settings(
        warehouse=WarehouseSettings(kind="sqlserver", connection_string="Server=h;PWD=hunter2", sqlserver=SqlServerSettings())
    )  # type: ignore[arg-type]
    warehouse = registry.create(settings)
    assert isinstance(warehouse, SqlServerWarehouse)
    assert "hunter2" not in repr(warehouse)
    assert "hunter2" not in repr(BulkCopy("Server=h;PWD=hunter2", 5))


def test_the_settings_reach_the_statements() -> None:
    chosen = SqlServerSettings(ods_schema="dwh", compression="page", filegroup="FG2", key_collation="French_BIN2")
    settings = Settings(warehouse=WarehouseSettings(kind="sqlserver", connection_string="Server=h", sqlserver=chosen, lock_wait_seconds=7))  # type: ignore[arg-type]
    warehouse = registry.create(settings)
    assert isinstance(warehouse, SqlServerWarehouse)
    statements = warehouse.connector.statements
    assert str(statements.ident("ods", "t")) == "[dwh].[t]"
    assert str(statements.storage) == " ON [FG2] WITH (DATA_COMPRESSION = PAGE)"
    assert (
        str(statements.definitions([("k", "nvarchar(9)"), ("v", "int")], ["k"]))
        == "[k] nvarchar(9) COLLATE French_BIN2 NULL,\n    [v] int NULL"
    )
    assert warehouse.connector.lock_wait_seconds == 7


# --- errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1205, 1222, 3960, 10054, 40613, 4221, 596, 51001])
def test_what_another_attempt_may_mend(number: int) -> None:
    assert isinstance(classify(failure("42000", "Something", number), "client"), TransientWarehouseError)


@pytest.mark.parametrize(
    ("state", "text"), [("08S01", "Communication link failure"), ("HYT00", "Query timeout expired"), ("08001", "Timeout")]
)
def test_a_dead_link_without_a_number(state: str, text: str) -> None:
    assert isinstance(classify(failure(state, text, 0)), TransientWarehouseError)


@pytest.mark.parametrize(("number", "text", "kind", "words"), [
    (2627, "Violation of PRIMARY KEY constraint 'PK'. Cannot insert duplicate key in object 'ods.t'. The duplicate key value is (Dupont).",
     WarehouseError, "Table 'client': a key stands twice"),
    (2628, "String or binary data would be truncated in table 'x.ods.client', column 'nom'. Truncated value: 'Dupont'.",
     ConversionError, "column 'nom'"),
    (515, "Cannot insert the value NULL into column 'nom', table 'x.ods.client'", ConversionError, "column 'nom', table"),
    (208, "Invalid object name 'ods.clients'.", WarehouseError, "'ods.clients'"),
    (207, "Invalid column name 'nope'.", WarehouseError, "'nope'"),
    (229, "The INSERT permission was denied on the object 'client'", WarehouseError, "a right is missing"),
    (1105, "Could not allocate space for object", WarehouseError, "data files are full"),
    (9002, "The transaction log for database 'd' is full due to 'LOG_BACKUP'.", WarehouseError, "transaction log is full"),
    (511, "Cannot create a row of size 9000", WarehouseError, "8,060 bytes"), (99999, "Something else", WarehouseError, "SQL Server 99999"),
])  # fmt: skip
def test_what_is_final_says_which_and_what_to_do(number: int, text: str, kind: type[CbmError], words: str) -> None:
    error = classify(failure("42000", text, number), "client")
    assert type(error) is kind
    assert words in error.message
    assert error.remedy
    assert "Dupont" not in error.message
    assert "[Microsoft]" not in error.message


def test_the_number_that_tells_most_is_taken() -> None:
    joined = failure("42000", "Statement(s) could not be prepared.", 8180)
    text = f"{joined.args[1]}; [42S02] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Invalid object name 'x'. (208)"
    assert "SQL Server 208" in classify(pyodbc.Error("42000", text)).message


def test_a_certificate_is_no_outage() -> None:
    text = "SSL Provider: [error:0A000086:SSL routines::certificate verify failed:certificate has expired]"
    error = classify(failure("08001", text, -1))
    assert isinstance(error, ConfigurationError)
    assert "certificate has expired" in error.message


def test_a_missing_driver_is_named() -> None:
    error = classify(pyodbc.Error("01000", "[01000] [unixODBC][Driver Manager]Can't open lib 'x' : file not found (0) (SQLDriverConnect)"))
    assert isinstance(error, MissingDependencyError)


# --- rows as Arrow -------------------------------------------------------------------------------------------------------


def test_the_types_come_from_the_drivers_description() -> None:
    columns = [
        ("i", int, None, 10, 10, 0, True), ("b", int, None, 19, 19, 0, True), ("s", int, None, 5, 5, 0, True),
        ("d", Decimal, None, 38, 38, 10, True), ("t", str, None, 40, 40, 0, True), ("z", str, None, 33, 33, 6, True),
        ("w", dt.datetime, None, 26, 26, 6, True), ("f", float, None, 53, 53, 0, True), ("o", bool, None, 1, 1, 0, True),
        ("h", bytes, None, 32, 32, 0, True), ("n", dt.date, None, 10, 10, 0, True), ("c", dt.time, None, 15, 15, 6, True),
    ]  # fmt: skip
    schema = arrow_schema(columns)
    assert [str(kind) for kind in schema.types] == [
        "int32", "int64", "int16", "decimal128(38, 10)", "string", "timestamp[us, tz=UTC]", "timestamp[us]", "double", "bool", "binary",
        "date32[day]", "time64[us]",
    ]  # fmt: skip
    aware = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    row = (1, 2**63 - 1, 3, Decimal("1.5"), "é😀", aware, dt.datetime.max, 0.1, True, b"\x00", dt.date.min, dt.time.max)
    batch = arrow_batch(schema, [row, (None,) * 12])
    assert batch.num_rows == 2
    assert batch.column("b").to_pylist() == [2**63 - 1, None]
    assert batch.column("w").to_pylist()[0] == dt.datetime.max
    assert arrow_batch(schema, []).num_rows == 0
    assert isinstance(schema, pa.Schema)


def test_an_aware_instant_is_read_in_utc() -> None:
    raw = struct.pack("<6hI2h", 2026, 10, 25, 2, 30, 0, 123456700, 2, 0)
    assert read_datetimeoffset(raw) == dt.datetime(2026, 10, 25, 0, 30, 0, 123456, dt.UTC)
    raw = struct.pack("<6hI2h", 2026, 1, 1, 0, 0, 0, 0, -3, -30)
    assert read_datetimeoffset(raw) == dt.datetime(2026, 1, 1, 3, 30, tzinfo=dt.UTC)
