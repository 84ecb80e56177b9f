"""Sessions with SQL Server through pyodbc: the driver, the connection string, one call = everything it has to say.

Owns opening, the options of a session, draining of results and the translation of errors. Every operation gets its own
connection: a dead one is never met again. Knows no statement of the platform.
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from cbm_etl_assets.errors import ConfigurationError, MissingDependencyError
from cbm_etl_assets.reliability.deadline import remaining_seconds
from cbm_etl_assets.warehouse.dialects.sqlserver_errors import classify
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import SqlServerStatements

DRIVERS = ("ODBC Driver 18 for SQL Server", "ODBC Driver 17 for SQL Server")
DATETIMEOFFSET = -155  # SQL_SS_TIMESTAMPOFFSET: pyodbc has no reader of its own
LOGIN_SECONDS = 15
_WHEEL_FOLDERS = ("linux/debian_ubuntu", "linux/rhel", "linux/suse", "linux/alpine", "macos", "windows")
_LIBRARIES = ("libmsodbcsql*.so*", "libmsodbcsql*.dylib", "msodbcsql18.dll")
Rows = list[tuple[Any, ...]]


class Cursor(Protocol):
    """What of a pyodbc cursor is used: the seam the tests put a recorded conversation at."""

    description: Any
    fast_executemany: bool

    def execute(self, sql: str, *parameters: Any) -> Any: ...
    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> Any: ...
    def setinputsizes(self, sizes: Sequence[Any]) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def fetchmany(self, size: int) -> list[Any]: ...
    def nextset(self) -> bool | None: ...


class Connection(Protocol):
    def cursor(self) -> Cursor: ...
    def close(self) -> None: ...


class Opener(Protocol):
    def __call__(self) -> Connection: ...


@dataclass(frozen=True)
class Result:
    """One result set. `columns` are the driver's descriptions."""

    columns: tuple[Any, ...]
    rows: Rows


@dataclass(frozen=True)
class Session:
    """One open connection. Raises: the errors of `sqlserver_errors.classify`."""

    connection: Connection
    table: str = ""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> list[Result]:
        """Every result set. An error after the first one shows itself only when the rest is fetched."""
        results: list[Result] = []
        try:
            cursor = self.connection.cursor()
            cursor.execute(sql, *parameters)
            while True:
                if cursor.description:
                    results.append(Result(tuple(cursor.description), [tuple(row) for row in cursor.fetchall()]))
                if not cursor.nextset():
                    return results
        except _driver_errors() as error:
            raise classify(error, self.table) from None

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """The rows of the last result set; none where there is none."""
        results = self.run(sql, parameters)
        return results[-1].rows if results else []

    def number(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        rows = self.rows(sql, parameters)
        return int(rows[0][0]) if rows else 0

    def insert(self, sql: str, rows: Sequence[Sequence[Any]], sizes: Sequence[tuple[int, int, int]] = ()) -> None:
        """Many rows through one prepared INSERT, in arrays.

        `sizes`: (SQL type, size, digits) a parameter. Needed for a temporary table, whose columns the driver cannot ask about: it
        would send bytes as text, which the server refuses for binary.
        """
        if not rows:
            return
        try:
            cursor = self.connection.cursor()
            cursor.fast_executemany = True
            if sizes:
                cursor.setinputsizes(list(sizes))
            cursor.executemany(sql, rows)
            while cursor.nextset():
                continue
        except _driver_errors() as error:
            raise classify(error, self.table) from None

    def stream(self, sql: str, parameters: Sequence[Any], size: int) -> Generator[Result]:
        """Yields: the first result set in portions of `size` rows, an empty one first: the columns are known before any row."""
        try:
            cursor = self.connection.cursor()
            cursor.execute(sql, *parameters)
            columns = tuple(cursor.description or ())
            yield Result(columns, [])
            while columns and (rows := cursor.fetchmany(size)):
                yield Result(columns, [tuple(row) for row in rows])
            while cursor.nextset():  # what is left unread keeps the connection busy, and may be an error
                continue
        except _driver_errors() as error:
            raise classify(error, self.table) from None


@dataclass(frozen=True)
class Connector:
    """Opens sessions. `connection_string` is as its owner wrote it; every keyword of the driver passes through."""

    connection_string: str = field(repr=False)
    statements: SqlServerStatements
    lock_wait_seconds: float = 60
    query_timeout_seconds: int = 0
    opener: Opener | None = None

    @contextmanager
    def session(self, table: str = "") -> Iterator[Session]:
        """Raises: TransientWarehouseError, WarehouseError, ConfigurationError (certificate), MissingDependencyError (driver)."""
        seconds = shortest(self.query_timeout_seconds, remaining_seconds())
        try:
            connection = self.opener() if self.opener else _open(completed(self.connection_string), seconds)
        except _driver_errors() as error:
            raise classify(error, table) from None
        try:
            session = Session(connection, table)
            milliseconds = self.statements.number(round(self.lock_wait_seconds * 1000))
            session.run(self.statements.render("session/options", lock_wait_ms=milliseconds))
            yield session
        finally:
            _close(connection)


def shortest(setting: int, stage: float | None) -> int:
    """Whole seconds a statement may take: the setting (0 = no limit) or what the stage has left, whichever is less."""
    return min([seconds for seconds in (setting, 0 if stage is None else math.ceil(stage)) if seconds], default=0)


def _open(connection_string: str, query_timeout_seconds: int) -> Connection:
    pyodbc = import_pyodbc()
    connection = pyodbc.connect(connection_string, autocommit=True, timeout=LOGIN_SECONDS)
    connection.timeout = query_timeout_seconds
    connection.add_output_converter(DATETIMEOFFSET, read_datetimeoffset)
    opened: Connection = connection
    return opened


def _close(connection: Connection) -> None:
    try:
        connection.close()
    except _driver_errors():
        # The link is down: the server ends the session and rolls back; what the work itself met has been told already.
        return


def _driver_errors() -> tuple[type[Exception], ...]:
    return (import_pyodbc().Error,)


def import_pyodbc() -> Any:
    """Raises: MissingDependencyError: without unixODBC the import itself fails."""
    try:
        return import_module("pyodbc")
    except ImportError:
        raise MissingDependencyError(
            "The ODBC driver manager (libodbc.so.2, unixODBC) is not on this machine.", remedy="as root: apt-get install -y libodbc2"
        ) from None


def read_datetimeoffset(raw: bytes) -> dt.datetime:
    """SQL_SS_TIMESTAMPOFFSET_STRUCT, as an aware instant in UTC."""
    year, month, day, hour, minute, second, nanoseconds, zone_hours, zone_minutes = struct.unpack("<6hI2h", raw)
    zone = dt.timezone(dt.timedelta(hours=zone_hours, minutes=zone_minutes))
    return dt.datetime(year, month, day, hour, minute, second, nanoseconds // 1000, zone).astimezone(dt.UTC)


def pairs(connection_string: str) -> list[tuple[str, str]]:
    """Keyword and value of an ODBC connection string, in order; a value in braces keeps them (`PWD={a;b}}c}`)."""
    found: list[tuple[str, str]] = []
    rest = connection_string.strip().lstrip(";")
    while rest:
        keyword, equals, rest = rest.partition("=")
        if not equals:
            raise ConfigurationError(
                f"CBM_WAREHOUSE__CONNECTION_STRING: no '=' after keyword {len(found) + 1}.",
                remedy="for instance Server=host,1433;Database=dwh;UID=etl;PWD={secret};Encrypt=yes",
            )
        end = _value_end(rest.lstrip())
        value, rest = rest.lstrip()[:end].strip(), rest.lstrip()[end:].lstrip("; ")
        found.append((keyword.strip(), value))
    return found


def _value_end(text: str) -> int:
    if not text.startswith("{"):
        return text.find(";") if ";" in text else len(text)
    place = 1
    while place < len(text):
        if text[place] == "}" and text[place + 1 : place + 2] != "}":
            return place + 1
        place += 2 if text[place] == "}" else 1
    return len(text)


def completed(connection_string: str) -> str:
    """With a driver where the string names none. Raises: ConfigurationError when empty, MissingDependencyError without a driver."""
    if not connection_string.strip():
        raise ConfigurationError(
            "CBM_WAREHOUSE__CONNECTION_STRING is not set; the SQL Server warehouse needs it.",
            remedy="for instance Server=host,1433;Database=dwh;UID=etl;PWD={secret};Encrypt=yes",
        )
    known = {keyword.lower() for keyword, _ in pairs(connection_string)}
    before = "" if known & {"driver", "dsn", "filedsn"} else f"DRIVER={{{find_driver()}}};"
    after = "" if known & {"app", "application name"} else "APP=cbm-etl;"
    return f"{before}{connection_string.rstrip('; ')};{after}"


def find_driver() -> str:
    """A registered driver, 18 before 17, else the library inside mssql-python's wheel. Raises: MissingDependencyError."""
    registered = set(import_pyodbc().drivers())
    for name in DRIVERS:
        if name in registered:
            return name
    if library := _driver_in_wheel():
        return library
    raise MissingDependencyError(
        f"No ODBC driver of SQL Server on this machine. Looked for: {', '.join(DRIVERS)}, and the package mssql-python.",
        remedy="pip install 'cbm-etl-assets[sqlserver]', or Microsoft's package msodbcsql18",
    )


def _driver_in_wheel() -> str:
    found = find_spec("mssql_python_odbc")
    if found is None or not found.origin:
        return ""
    libs = Path(found.origin).parent / "libs"
    for folder in _WHEEL_FOLDERS:
        for pattern in _LIBRARIES:
            if library := next(iter(sorted((libs / folder).rglob(pattern))), None):
                return str(library)
    return ""
