"""The control database on a server, through SQLAlchemy: PostgreSQL, SQL Server, any URL whose dialect has migrations.

Owns the engine and the typed errors. Knows nothing of tables.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cbm_etl_assets.control.database import Parameters, Row, utc_naive
from cbm_etl_assets.control.sql import spellings
from cbm_etl_assets.errors import ConfigurationError, ControlError, TransientControlError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

# PostgreSQL: serialization failure, deadlock, lock not available, unique violation by a concurrent writer, too many
# connections, and class 08 (connection). SQL Server spells deadlock 40001 as well; HYT00, HYT01: ODBC's time-outs.
_TRANSIENT_STATES = ("40001", "40P01", "55P03", "23505", "53300", "57P01", "57P02", "57P03", "HYT00", "HYT01")
# SQL Server's native numbers, which only the text carries: lock time-out, snapshot conflict, key taken by a concurrent writer,
# resource limits, failover and throttling of Azure SQL.
_TRANSIENT_NUMBERS = frozenset({1205, 1222, 3960, 2601, 2627, 10928, 10929, 40197, 40501, 40613, 49918, 49919, 49920, 10053, 10054, 51001})
_NUMBER = re.compile(r"\((\d{3,5})\)")
# What SQLAlchemy calls it -> the folder of its migrations.
_DIALECTS = {"mssql": "sqlserver"}


class AlchemySession:
    def __init__(self, connection: Connection, names: dict[str, str]) -> None:
        self._connection = connection
        self._names = names

    def execute(self, sql: str, parameters: Parameters | None = None) -> int:
        from sqlalchemy import text

        return self._connection.execute(text(sql), _bind(parameters)).rowcount

    def execute_many(self, sql: str, parameters: Sequence[Parameters]) -> None:
        from sqlalchemy import text

        if parameters:
            self._connection.execute(text(sql), [_bind(p) for p in parameters])

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        from sqlalchemy import text

        result = self._connection.execute(text(sql), _bind(parameters))
        if not result.returns_rows:
            return []
        names = [self._names.get(name, name) for name in list(result.keys())]
        return [dict(zip(names, row, strict=True)) for row in result]


class AlchemyDatabase:
    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._guard = threading.Lock()
        self.dialect = _dialect(url)

    @contextmanager
    def transaction(self) -> Iterator[AlchemySession]:
        with self._typed(), self._open().begin() as connection:
            yield AlchemySession(connection, spellings(self.dialect))

    def read(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        if self.dialect not in _READ_ONLY and not _READS.match(sql):
            raise ControlError("The control database is read-only here: only SELECT is allowed.")
        with self._typed(), self._open().connect() as connection:
            # Never committed: where the database cannot refuse a write, it is rolled back at the end.
            readonly = connection.execution_options(**_READ_ONLY.get(self.dialect, {}))
            return AlchemySession(readonly, spellings(self.dialect)).rows(sql, parameters)

    def close(self) -> None:
        with self._guard:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def _open(self) -> Engine:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import NoSuchModuleError

        with self._guard:
            if self._engine is None:
                try:
                    # pre_ping: a server restart between two loads must not fail the second one.
                    self._engine = create_engine(
                        _completed(self._url), pool_pre_ping=True, pool_size=5, max_overflow=20, hide_parameters=True
                    )
                except (NoSuchModuleError, ImportError) as error:
                    raise ConfigurationError(
                        f"CBM_CONTROL__URL names a driver that is not installed: {error}",
                        remedy="pip install psycopg, pyodbc, or the driver of your URL",
                    ) from None
            return self._engine

    @contextmanager
    def _typed(self) -> Iterator[None]:
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError
        from sqlalchemy.exc import TimeoutError as PoolTimeoutError

        try:
            yield
        except DBAPIError as error:
            # The driver's text names host and user, never the password; the statement's values are hidden.
            what = f"Control database ({self.dialect}): {str(error.orig).strip()}"
            if _is_transient(error):
                raise TransientControlError(what, remedy="run again; if it stays, check that the server answers") from None
            raise ControlError(what) from None
        except PoolTimeoutError:
            raise TransientControlError(f"Control database ({self.dialect}): no free connection in the pool", remedy="run again") from None
        except SQLAlchemyError as error:
            raise ControlError(f"Control database ({self.dialect}): {error}") from None


_READ_ONLY: dict[str, dict[str, Any]] = {"postgresql": {"postgresql_readonly": True}}
_READS = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)


def _dialect(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        backend = make_url(url).get_backend_name()
    except ArgumentError:
        # SQLAlchemy's own text repeats the URL, which may hold a password.
        raise ConfigurationError(
            "CBM_CONTROL__URL is not a database URL.",
            remedy="write postgresql+psycopg://user:password@host/database, mssql+pyodbc://user:password@host/database, "
            "or leave it unset for SQLite",
        ) from None
    return _DIALECTS.get(backend, backend)


def _completed(url: str) -> Any:
    """A SQL Server URL without a driver gets Microsoft's current one; `?odbc_connect=` passes any connection string as it is."""
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    if parsed.get_backend_name() == "mssql" and not {"driver", "odbc_connect"} & set(parsed.query):
        return parsed.update_query_dict({"driver": "ODBC Driver 18 for SQL Server"})
    return parsed


def _is_transient(error: Any) -> bool:
    from sqlalchemy.exc import OperationalError

    state = _state(error.orig)
    if state:
        numbers = {int(n) for n in _NUMBER.findall(str(error.orig))} if len(getattr(error.orig, "args", ())) > 1 else set()
        return state in _TRANSIENT_STATES or state.startswith("08") or bool(numbers & _TRANSIENT_NUMBERS)
    return error.connection_invalidated or isinstance(error, OperationalError)


def _state(original: Any) -> str:
    """SQLSTATE: an attribute with PostgreSQL's drivers, the first argument with pyodbc."""
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    arguments: tuple[object, ...] = getattr(original, "args", ())
    first = arguments[0] if len(arguments) > 1 else ""
    if not state and isinstance(first, str) and len(first) == 5:
        state = first
    return str(state or "")


def _bind(parameters: Parameters | None) -> dict[str, object]:
    return {name: utc_naive(value) for name, value in (parameters or {}).items()}
