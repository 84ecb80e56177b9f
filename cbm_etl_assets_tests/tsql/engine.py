"""An engine for our own T-SQL at the driver's seam: ScriptDom takes a batch apart, DuckDB carries its statements out.

The contract suite runs the SQL Server dialect on it where no server is given. It proves what the statements do to rows, not
locking, not types, not limits. Catalogue queries are answered from the definitions that were sent.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa

from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Connection
from cbm_etl_assets_tests.tsql.fake_server import failure
from cbm_etl_assets_tests.tsql.scriptdom import ScriptDom
from cbm_etl_assets_tests.tsql.translate import translate, type_of

Tree = list[dict[str, Any]]
Names = list[tuple[str, str]]  # column, DuckDB type
Sets = list[tuple[Names, list[tuple[Any, ...]]]]
_IGNORED = ("PredicateSetStatement", "SetTransactionIsolationLevelStatement", "SetCommandStatement", "CreateIndexStatement")


@dataclass
class Engine:
    """The database, and what was defined in it: schema.table -> column -> type as spelled."""

    parser: ScriptDom
    database: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)
    defined: dict[str, dict[str, str]] = field(default_factory=dict)
    parsed: dict[str, Tree] = field(default_factory=dict)
    described: dict[tuple[str, str], str] = field(default_factory=dict)
    # Calls until the link breaks: negative = never. `done`: the statement was carried out, only its answer is lost.
    breaks_in: int = -1
    done: bool = False

    def __post_init__(self) -> None:
        self.database.execute("SET TimeZone = 'UTC'")
        self.database.execute("CREATE MACRO plus_one_micro(moment) AS moment + INTERVAL 1 MICROSECOND")

    def __call__(self) -> Connection:
        return _Connection(self)

    def tree(self, text: str) -> Tree:
        if text not in self.parsed:
            answer = self.parser.ask(text, "tree")
            if answer["errors"]:
                raise failure("42000", f"Incorrect syntax: {answer['errors']}", 102)
            self.parsed[text] = answer["statements"]
        return self.parsed[text]

    def bulk(self, target: Any, names: Sequence[str], reader: pa.RecordBatchReader) -> None:
        """The bulk copy: a connection of its own, committed."""
        assert [n.lower() for n in names] == [n.lower() for n in self.defined[".".join(target.parts)]]
        table = reader.read_all()
        schema, name = target.parts
        connection = self.database.cursor()
        connection.register("_bulk", table)
        connection.execute(f'INSERT INTO "{schema}"."{name}" SELECT * FROM _bulk')


class _Connection:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.link = engine.database.cursor()
        self.link.execute("SET TimeZone = 'UTC'")
        self.in_transaction = False
        self.defined_before: dict[str, dict[str, str]] = {}

    def cursor(self) -> _Cursor:
        return _Cursor(self)

    def close(self) -> None:
        self.link.close()


class _Cursor:
    fast_executemany = False

    def __init__(self, connection: _Connection) -> None:
        self._connection, self._engine = connection, connection.engine
        self._sets: Sets = []

    @property
    def description(self) -> Any:
        if not self._sets:
            return None
        return [(name, *_described(kind)) for name, kind in self._sets[0][0]]

    def execute(self, sql: str, *parameters: Any) -> None:
        places = iter(range(len(parameters)))
        text = re.sub(r"\?", lambda _: f"@p{next(places)}", sql)
        self._variables: dict[str, Any] = {f"p{i}": value for i, value in enumerate(parameters)}
        self._sets = []
        self._engine.breaks_in -= 1
        if self._engine.breaks_in == 0 and not self._engine.done:
            self._break()
        if (known := self._catalogue(sql, parameters)) is not None:
            self._sets = [known]
            return
        try:
            self._run(self._engine.tree(text))
            if self._engine.breaks_in == 0:
                self._break()
        except duckdb.Error as error:
            self._roll_back()
            raise _as_driver(error) from error

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        assert all(len(size) == 3 for size in sizes)

    def _break(self) -> None:
        """The session dies, the server rolls its transaction back."""
        self._roll_back()
        raise failure("08S01", "Communication link failure", 0)

    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        for row in parameters:
            self.execute(sql, *row)
        self._sets = []

    def fetchall(self) -> list[Any]:
        return self._sets[0][1]

    def fetchmany(self, size: int) -> list[Any]:
        names, rows = self._sets[0]
        self._sets[0] = (names, rows[size:])
        return rows[:size]

    def nextset(self) -> bool:
        self._sets = self._sets[1:]
        return bool(self._sets)

    # -- the interpreter --------------------------------------------------------------------------------------------

    def _run(self, tree: Tree) -> None:
        for statement in tree:
            handler = getattr(self, f"_on_{statement['kind']}", self._on_any)
            handler(statement)

    def _on_TryCatchStatement(self, statement: dict[str, Any]) -> None:
        try:
            self._run(statement["try"])
        except (duckdb.Error, _Thrown, _PyodbcError) as error:
            self._caught = error
            self._run(statement["catch"])

    def _on_ThrowStatement(self, statement: dict[str, Any]) -> None:
        if "number" not in statement:
            raise self._caught
        raise failure("42000", statement["message"], statement["number"])

    def _on_IfStatement(self, statement: dict[str, Any]) -> None:
        if self._holds(statement["if"]):
            self._run(statement["then"])

    def _holds(self, predicate: str) -> bool:
        if "XACT_STATE()" in predicate:
            return self._connection.in_transaction
        if found := re.search(r"OBJECT_ID\(N'\[(\w+)\]\.\[(\w+)\]", predicate):
            return ("IS NULL" in predicate) == (f"{found[1]}.{found[2]}" not in self._engine.defined)
        if found := re.search(r"SCHEMA_ID\(N'(\w+)'", predicate):
            here = self._connection.link.execute("SELECT count(*) FROM duckdb_schemas() WHERE schema_name = ?", [found[1]]).fetchone()
            return ("IS NULL" in predicate) == (not here or not here[0])
        return bool(self._value(predicate))

    def _on_DeclareVariableStatement(self, statement: dict[str, Any]) -> None:
        for name, kind, value in statement["declared"]:
            self._variables[name[1:]] = self._value(f"CAST({value} AS {type_of(kind)})" if value != "NULL" else value)

    def _on_SetVariableStatement(self, statement: dict[str, Any]) -> None:
        for name, value in statement["assigned"]:
            self._variables[name[1:]] = self._value(value)

    def _on_SelectStatement(self, statement: dict[str, Any]) -> None:
        if "assigned" not in statement:
            rows = self._query(statement["text"])
            self._sets.append(rows)
            return
        listed = ", ".join(f"{value} AS v{i}" for i, (_, value) in enumerate(statement["assigned"]))
        found = self._query(f"SELECT {listed} {statement['from']}")[1]
        for (name, _), value in zip(statement["assigned"], found[0] if found else (), strict=False):
            self._variables[name[1:]] = value

    def _on_BeginTransactionStatement(self, _: dict[str, Any]) -> None:
        self._connection.link.execute("BEGIN TRANSACTION")
        self._connection.in_transaction = True
        self._connection.defined_before = copy.deepcopy(self._engine.defined)

    def _on_CommitTransactionStatement(self, _: dict[str, Any]) -> None:
        self._connection.link.execute("COMMIT")
        self._connection.in_transaction = False

    def _on_RollbackTransactionStatement(self, _: dict[str, Any]) -> None:
        self._roll_back()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.link.execute("ROLLBACK")
            self._connection.in_transaction = False
            self._engine.defined = self._connection.defined_before

    def _on_ExecuteStatement(self, statement: dict[str, Any]) -> None:
        text = statement["text"]
        if "sp_getapplock" in text:
            self._variables["locked"] = 0
        elif found := re.search(r"EXEC \(N'(CREATE SCHEMA .*)'\)", text):
            self._connection.link.execute(translate(found[1]))
        else:
            assert "extendedproperty" in text
            key = (str(self._variables["table"]), str(self._variables.get("column", "")))
            assert ("update" in text) == (key in self._engine.described)
            self._engine.described[key] = str(self._variables["value"])

    def _on_CreateTableStatement(self, statement: dict[str, Any]) -> None:
        name, columns = statement["table"], dict(statement["columns"])
        listed = ", ".join(f'"{column}" {type_of(kind)}' for column, kind in columns.items())
        temporary = "TEMP " if name[0].startswith("#") else ""
        self._connection.link.execute(f"CREATE {temporary}TABLE {_quoted(name)} ({listed})")
        self._engine.defined[".".join(name)] = columns

    def _on_AlterTableAddTableElementStatement(self, statement: dict[str, Any]) -> None:
        for column, kind in statement["columns"]:
            self._connection.link.execute(f'ALTER TABLE {_quoted(statement["table"])} ADD COLUMN "{column}" {type_of(kind)}')
            self._engine.defined[".".join(statement["table"])][column] = kind

    def _on_AlterTableAlterColumnStatement(self, statement: dict[str, Any]) -> None:
        for column, kind in statement["columns"]:
            self._connection.link.execute(
                f'ALTER TABLE {_quoted(statement["table"])} ALTER COLUMN "{column}" SET DATA TYPE {type_of(kind)}'
            )
            self._engine.defined[".".join(statement["table"])][column] = kind

    def _on_DropTableStatement(self, statement: dict[str, Any]) -> None:
        self._connection.link.execute(translate(statement["text"]))
        for name in re.findall(r"\[(\w+)\]\.\[([^\]]+)\]", statement["text"]):
            self._engine.defined.pop(".".join(name), None)

    def _on_any(self, statement: dict[str, Any]) -> None:
        if statement["kind"] in _IGNORED:
            return
        rows = self._query(statement["text"])[1]
        self._variables["rowcount"] = rows[0][0] if rows else 0
        self._check_keys()

    def _check_keys(self) -> None:
        """The unique index on `_key_hash`, which DuckDB would enforce in the middle of a statement."""
        for name in self._engine.defined:
            schema, _, table = name.partition(".")
            if schema == "ods" and table and not table.endswith("_history"):
                repeated = self._connection.link.execute(
                    f'SELECT count(*) FROM (SELECT 1 FROM "ods"."{table}" GROUP BY _key_hash HAVING count(*) > 1)'
                ).fetchone()
                assert repeated == (0,), f"a key stands twice in {name}"

    def _value(self, expression: str) -> Any:
        return self._query(f"SELECT {expression} AS v")[1][0][0]

    def _query(self, text: str) -> tuple[Names, list[tuple[Any, ...]]]:
        translated = translate(text)
        wanted = set(re.findall(r"\$(\w+)", translated))
        cursor = self._connection.link.execute(translated, {name: self._variables[name] for name in wanted} or None)
        names = [(c[0], str(c[1])) for c in cursor.description or ()]
        bits = [kind == "TINYINT" for _, kind in names]
        return names, [_as_driver_row(row, bits) for row in cursor.fetchall()]

    # -- the catalogue ----------------------------------------------------------------------------------------------

    def _catalogue(self, sql: str, parameters: tuple[Any, ...]) -> tuple[Names, list[tuple[Any, ...]]] | None:
        defined = self._engine.defined
        if "AS is_there" in sql:
            return [("is_there", "VARCHAR")], [(int("stg._cbm_state" in defined),)]
        if "AS role" in sql:
            ods, target, history, stg, staging, recheck = parameters
            names = {
                "target": f"{ods}.{target}",
                "history": f"{ods}.{history}",
                "staging": f"{stg}.{staging}",
                "recheck": f"{stg}.{recheck}",
            }
            return [("role", "VARCHAR"), ("name", "VARCHAR"), ("type", "VARCHAR")], [
                (role, c, k) for role, name in names.items() for c, k in defined.get(name, {}).items()
            ]
        if "FROM sys.columns" in sql:
            return [("name", "VARCHAR"), ("type", "VARCHAR")], list(defined.get(".".join(parameters), {}).items())
        if "FROM sys.tables" in sql:
            names_of = sorted(name.split(".", 1)[1] for name in defined if name.startswith(f"{parameters[0]}."))
            return [("name", "VARCHAR")], [(name,) for name in names_of if not name.startswith("_cbm")]
        if "FROM sys.databases" in sql:
            return [(f"c{i}", "VARCHAR") for i in range(5)], [(False, 150, "Latin1_General_CI_AS", "15.0.2000.5", 1)]
        if "FROM sys.extended_properties" in sql:
            return [("column_name", "VARCHAR"), ("d", "VARCHAR")], [
                (c, text) for (table, c), text in self._engine.described.items() if table == parameters[1]
            ]
        return None


_Thrown = type(failure("", "", 0))
_PyodbcError = _Thrown


def _as_driver_row(row: tuple[Any, ...], bits: Sequence[bool]) -> tuple[Any, ...]:
    """Aware instants in UTC, as our converter makes them; bit as the driver's bool."""
    values = (v.astimezone(dt.UTC) if isinstance(v, dt.datetime) and v.tzinfo else v for v in row)
    return tuple(bool(v) if is_bit and v is not None else v for v, is_bit in zip(values, bits, strict=True))


def _quoted(name: list[str]) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name)


def _as_driver(error: duckdb.Error) -> Exception:
    kinds: list[tuple[type[duckdb.Error], int]] = [
        (duckdb.CatalogException, 208),
        (duckdb.BinderException, 207),
        (duckdb.ParserException, 102),
    ]
    number = next((number for kind, number in kinds if isinstance(error, kind)), 245)
    return failure("42000", str(error).splitlines()[0], number)


def _described(kind: str) -> tuple[Any, ...]:
    """(type, -, size, precision, scale, nullable) of a DuckDB type, as the driver describes the T-SQL type it stands for."""
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return (Decimal, None, int(found[1]), int(found[1]), int(found[2]), True)
    return {
        "BIGINT": (int, None, 19, 19, 0, True), "INTEGER": (int, None, 10, 10, 0, True), "SMALLINT": (int, None, 5, 5, 0, True),
        "TINYINT": (bool, None, 1, 1, 0, True), "DOUBLE": (float, None, 53, 53, 0, True), "DATE": (dt.date, None, 10, 10, 0, True),
        "TIMESTAMP": (dt.datetime, None, 26, 26, 6, True), "TIME": (dt.time, None, 15, 15, 6, True), "BLOB": (bytes, None, 0, 0, 0, True),
        "TIMESTAMP WITH TIME ZONE": (str, None, 33, 33, 6, True),
    }.get(kind, (str, None, 0, 0, 0, True))  # fmt: skip


def state_of(engine: Engine) -> dict[str, Any]:
    """For a test that fails: what the tables hold."""
    return {
        name: engine.database.execute(f"SELECT * FROM {_quoted(name.split('.', 1))}").fetchall()
        for name in engine.defined
        if "#" not in name
    }


def shown(engine: Engine) -> str:
    return json.dumps(state_of(engine), default=str, indent=1)
