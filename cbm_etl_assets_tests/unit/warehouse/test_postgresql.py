"""The PostgreSQL dialect without a server: parameters, connection strings, types, errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from cbm_etl_assets.errors import ConfigurationError, ConversionError, DamagedWarehouseError, TransientWarehouseError, WarehouseError
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.settings import Settings, WarehouseSettings
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.dialects import postgresql_types as types
from cbm_etl_assets.warehouse.dialects.postgresql_errors import connecting, explain
from cbm_etl_assets.warehouse.dialects.postgresql_session import conninfo, positional
from cbm_etl_assets.warehouse.sql import sql_root

SQL = sql_root() / "postgresql"
SENT = sorted(path.relative_to(SQL).with_suffix("").as_posix() for path in SQL.rglob("*.sql") if path.parent.name != "grants")


class Refusal(Exception):
    def __init__(self, text: str, state: str | None = None, **details: str) -> None:
        super().__init__(text)
        self.sqlstate = state
        self.details = [(f"PG_DIAG_{name}".encode(), value.encode()) for name, value in details.items()]


def test_named_parameters_become_numbers_and_quoted_text_stays() -> None:
    text, values = positional("""SELECT '$a ''$b', "$c""$d", $seq, $now, $seq;\n""", {"seq": 7, "now": "x", "unused": 1})
    assert text == """SELECT '$a ''$b', "$c""$d", $1, $2, $1"""
    assert values == [7, "x"]


def test_connection_strings_get_defaults_and_keep_what_they_say() -> None:
    assert conninfo("postgresql+psycopg://u:p%40x@h:5/d?sslmode=require").startswith("postgresql://u:p%40x@h:5/d?")
    assert "connect_timeout=15" in conninfo("postgresql://h/d")
    assert "connect_timeout=15" not in conninfo("postgresql://h/d?connect_timeout=3")
    assert conninfo("host=h dbname=d connect_timeout=3") == "host=h dbname=d connect_timeout=3 application_name=cbm-etl"


def test_a_kind_without_its_connection_string_says_which_variable() -> None:
    with pytest.raises(ConfigurationError, match="CBM_WAREHOUSE__CONNECTION_STRING is not set"):
        registry.create(Settings(warehouse=WarehouseSettings(kind="postgresql")))


@pytest.mark.parametrize("kind", ["integer", "bigint", "decimal(38,10)", "double", "boolean", "date", "varchar", "binary"])
def test_types_come_back_from_the_catalogue(kind: str) -> None:
    logical = LogicalType.parse(kind)
    assert types.logical_type(types.type_name(logical)) == logical


def test_foreign_types_are_told_as_they_are() -> None:
    assert types.logical_type("jsonb") is None
    assert (types.shown("jsonb"), types.shown("text"), types.shown("character varying(30)")) == ("jsonb", "VARCHAR", "VARCHAR")


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("FATAL:  password authentication failed for user", WarehouseError, "refused the login"),
        ('FATAL:  database "nope" does not exist', WarehouseError, "no database 'nope'"),
        ("server certificate for \"h\" does not match; SSL error", WarehouseError, "No encrypted connection"),
        ("Connection refused\n\tIs the server running", TransientWarehouseError, "does not answer"),
        ("FATAL:  the database system is starting up", TransientWarehouseError, "does not answer"),
        ("FATAL:  sorry, too many clients already", TransientWarehouseError, "does not answer"),
        ('missing "=" after "postgres//u:secret@h" in connection info string', WarehouseError, "no connection string"),
    ],
)  # fmt: skip
def test_every_failed_connection_is_explained(text: str, kind: type[Exception], said: str) -> None:
    error = connecting(Refusal(f"IO: [libpq] Failed to connect: {text}"))
    assert isinstance(error, kind)
    assert said in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "23505", "53300", "57P01", "08006"])
def test_these_states_are_tried_again(state: str) -> None:
    assert isinstance(explain(Refusal("x", state), table="client"), TransientWarehouseError)


def test_a_lock_says_how_long_was_waited() -> None:
    error = explain(Refusal("canceling statement due to lock timeout", "55P03"), table="client", waited_seconds=60)
    assert "Table 'client': another session kept it locked for 60 s" in str(error)


@pytest.mark.parametrize(
    ("state", "kind", "said"),
    [
        ("53100", WarehouseError, "disk of the warehouse is full"), ("42501", WarehouseError, "lacks a right: no"),
        ("54011", WarehouseError, "past a limit"), ("25006", WarehouseError, "only reads"), ("XX001", DamagedWarehouseError, "is damaged"),
        ("22003", ConversionError, "does not fit (column 'qte')"), ("23502", ConversionError, "does not fit (column 'qte')"),
        ("42P01", WarehouseError, "PostgreSQL 42P01: no"), ("08P01", WarehouseError, "PostgreSQL 08P01"),
    ],
)  # fmt: skip
def test_final_refusals_name_table_and_column(state: str, kind: type[Exception], said: str) -> None:
    error = explain(Refusal("whole", state, MESSAGE_PRIMARY="no", COLUMN_NAME="qte"), table="client")
    assert type(error) is kind
    assert "Table 'client'" in str(error)
    assert said in str(error)


def test_a_copy_error_names_column_and_row() -> None:
    text = 'ERROR:  invalid byte sequence for encoding "UTF8": 0x00\nCONTEXT:  COPY client__7, line 12, column nom\n. SQLSTATE: 22021'
    error = explain(Refusal(text, "22021"), table="client")
    assert isinstance(error, ConversionError)
    assert "(column 'nom', row 12 of the load)" in str(error)


@pytest.mark.parametrize("name", SENT)
def test_every_statement_is_sent_by_somebody(name: str) -> None:
    """A file nobody renders is no test's concern and rots; the contract suite runs the others on the engine."""
    package, purpose = Path(registry.__file__).parent.parent, name.split("/", maxsplit=1)[0]
    wanted = (f'"{name}"', f'f"{purpose}/{{')  # by its name, or by a name made of its folder
    assert any(word in path.read_text(encoding="utf-8") for path in package.rglob("*.py") for word in wanted)
