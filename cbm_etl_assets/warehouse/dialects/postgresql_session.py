"""Connections to a PostgreSQL server over ADBC, and one transaction on one of them.

Owns connecting, the sessions' settings, the pool, named parameters and the typed errors. A connection that saw an error is
closed, never reused. Why ADBC: docs/decisions/0016-postgresql-warehouse.md.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from cbm_etl_assets.errors import CbmError, MissingDependencyError
from cbm_etl_assets.reliability.deadline import remaining_seconds
from cbm_etl_assets.warehouse.dialects.postgresql_errors import connecting, explain
from cbm_etl_assets.warehouse.dialects.postgresql_types import plain_batch, plain_schema
from cbm_etl_assets.warehouse.sql import Statements, Value

if TYPE_CHECKING:
    import pyarrow as pa

_STATUS = "adbc.postgresql.transaction_status"
_USE_COPY = "adbc.postgresql.use_copy"
# A quoted name or text passes as it is; $name outside is a parameter.
_NAMED = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|\$([a-z_][a-z0-9_]*)')
CONNECT_SECONDS = 15
Explained = Callable[[Exception], CbmError]
Parameters = Mapping[str, object]


def positional(text: str, parameters: Parameters) -> tuple[str, list[object]]:
    """`$seq` -> `$1`, and the values in that order; the same name is the same number. A trailing semicolon goes: COPY takes none."""
    order: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${order.setdefault(found[1], len(order) + 1)}" if found[1] else found[0]

    return _NAMED.sub(number, text.strip().rstrip(";")), [parameters[name] for name in order]


def conninfo(text: str) -> str:
    """The connection string with our defaults. A SQLAlchemy driver suffix is forgiven: postgresql+psycopg:// is the same server."""
    text = re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", text.strip())
    defaults = {"connect_timeout": str(CONNECT_SECONDS), "application_name": "cbm-etl"}
    if "://" not in text:
        return text + "".join(f" {key}={value}" for key, value in defaults.items() if f"{key}=" not in text)
    parts = urlsplit(text)
    given = dict(parse_qsl(parts.query))
    return urlunsplit(parts._replace(query=urlencode(defaults | given)))


class Session:
    """One connection inside one transaction."""

    def __init__(self, connection: Any, statements: Statements) -> None:
        self._connection = connection
        self.statements = statements

    def execute(self, name: str, parameters: Parameters | None = None, **values: Value) -> int:
        """Run a statement of `sql/postgresql/`. Returns the rows it touched (0 for DDL)."""
        text, bound = positional(self.statements.render(name, **values), parameters or {})
        with self._connection.cursor() as cursor:
            if bound:
                cursor.executemany(text, [bound])  # execute() tells no row count where values are bound
            else:
                cursor.execute(text)
            return max(0, int(cursor.rowcount))

    def rows(self, name: str, parameters: Parameters | None = None, **values: Value) -> list[tuple[Any, ...]]:
        return list(zip(*(column.to_pylist() for column in self.table(name, parameters, **values).columns), strict=True))

    def number(self, name: str, parameters: Parameters | None = None, **values: Value) -> int:
        return int(self.rows(name, parameters, **values)[0][0])

    def table(self, name: str, parameters: Parameters | None = None, **values: Value) -> pa.Table:
        return self.read(*positional(self.statements.render(name, **values), parameters or {}))

    def read(self, text: str, bound: Sequence[object] = (), *, copy: bool = True) -> pa.Table:
        """A whole result. `copy`: read by COPY, which SHOW and EXPLAIN do not know."""
        import pyarrow as pa

        with self._connection.cursor() as cursor:
            if not copy:
                cursor.adbc_statement.set_options(**{_USE_COPY: "false"})
            cursor.execute(text, list(bound) or None)
            found = cursor.fetch_arrow_table()  # not fetch_record_batch: its errors come without SQLSTATE
        schema = plain_schema(found.schema)
        return pa.Table.from_batches([plain_batch(batch, schema) for batch in found.to_batches()], schema=schema)

    def stream(self, text: str) -> Generator[pa.RecordBatch]:
        """A result as it arrives, in batches of some 16 MB."""
        with self._connection.cursor() as cursor:
            cursor.execute(text)
            reader = cursor.fetch_record_batch()
            schema = plain_schema(reader.schema)
            for batch in reader:
                yield plain_batch(batch, schema)

    def ingest(self, table: str, batches: pa.RecordBatchReader, *, schema: str | None) -> int:
        """Binary COPY into a table that exists; `schema` None = a temporary one."""
        with self._connection.cursor() as cursor:
            return int(cursor.adbc_ingest(table, batches, mode="append", db_schema_name=schema, temporary=schema is None))


class Server:
    """Connections to one database, reused between operations and threads. Nothing is connected before the first use."""

    def __init__(self, connection_string: str, statements: Statements, *, lock_wait_seconds: float) -> None:
        self._text = conninfo(connection_string)
        self._statements = statements
        self._lock_wait_seconds = lock_wait_seconds
        self._idle: list[Any] = []
        self._guard = threading.Lock()

    @contextmanager
    def transaction(self, table: str = "", *, reading: bool = False, explained: Explained | None = None) -> Generator[Session]:
        """Commits at the end (a reading one rolls back). Raises: the typed errors of `postgresql_errors`, or as `explained` says."""
        with self._connected(explained or partial(explain, table=table, waited_seconds=self._lock_wait_seconds)) as connection:
            session = Session(connection, self._statements)
            session.execute("session/begin_reading" if reading else "session/begin")
            if (seconds := remaining_seconds()) is not None:
                session.rows("session/time_limit", {"limit": f"{max(1, int(seconds * 1000))}ms"})
            yield session
            session.execute("session/rollback" if reading else "session/commit")

    @contextmanager
    def _connected(self, explained: Explained) -> Generator[Any]:
        import adbc_driver_manager

        connection = self._take()
        try:
            yield connection
        except (adbc_driver_manager.Error, OSError) as error:  # pyarrow's own when a stream breaks off
            self._give_up(connection)
            raise explained(error) from None
        except BaseException:
            self._give_up(connection)
            raise
        if connection.adbc_connection.get_option(_STATUS) == "idle":
            with self._guard:
                self._idle.append(connection)
        else:
            self._give_up(connection)

    def close(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Any:
        while True:
            with self._guard:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect()
            if self._answers(connection):
                return connection

    def _answers(self, connection: Any) -> bool:
        """A server that restarted since must not fail the next table: a dead connection is replaced."""
        import adbc_driver_manager

        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchall()
        except adbc_driver_manager.Error:
            self._give_up(connection)
            return False
        return True

    def _connect(self) -> Any:
        dbapi = _driver()
        try:
            connection = dbapi.connect(self._text, autocommit=True)
        except dbapi.Error as error:
            raise connecting(error) from None
        try:
            wait = f"{int(self._lock_wait_seconds * 1000)}ms"
            Session(connection, self._statements).rows("session/settings", {"lock_timeout": wait})
        except dbapi.Error as error:
            self._give_up(connection)
            raise explain(error) from None
        return connection

    def _give_up(self, connection: Any) -> None:
        """Roll back where the server still listens, so that its locks are free at once; closing does it in any case."""
        import adbc_driver_manager

        with suppress(adbc_driver_manager.Error):
            if connection.adbc_connection.get_option(_STATUS) in ("intrans", "inerror"):  # not in the middle of a COPY
                Session(connection, self._statements).execute("session/rollback")
        with suppress(adbc_driver_manager.Error):
            connection.close()


def _driver() -> Any:
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise MissingDependencyError(
            f"CBM_WAREHOUSE__KIND is 'postgresql', and its driver is not installed ({error}).",
            remedy="pip install 'cbm-etl-assets[postgres]'",
        ) from None
    return dbapi
