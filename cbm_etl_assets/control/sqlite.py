"""The control database in two SQLite files, `etl.db` and `config.db`, attached to an empty in-memory main.

Owns connections, WAL, busy waits and the typed errors of SQLite. So `SELECT * FROM etl.vw_LastRuns` is the same text as on
a server database. Knows nothing of tables.
"""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cbm_etl_assets.control.database import Parameters, Row, is_stamp, utc_naive
from cbm_etl_assets.errors import ControlError, TransientControlError
from cbm_etl_assets.reliability.files import describe_os_error

BUSY_SECONDS = 30.0  # transactions here last under 5 ms; 30 s outlasts 10 processes starting at once on a slow disk
_SCHEMAS = ("etl", "config")
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_REMEDIES = {
    sqlite3.SQLITE_CANTOPEN: "give the account that runs cbm-etl write access to that folder, or set CBM_CONTROL__URL",
    sqlite3.SQLITE_READONLY: "give the account that runs cbm-etl write access to that folder, or set CBM_CONTROL__URL",
    sqlite3.SQLITE_FULL: "free space on that disk, then run again",
    sqlite3.SQLITE_NOTADB: "move the damaged file away (it mirrors the warehouse and holds the run log), then run again",
    sqlite3.SQLITE_CORRUPT: "move the damaged file away (it mirrors the warehouse and holds the run log), then run again",
}


class SqliteSession:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Parameters | None = None) -> int:
        return self._connection.execute(sql, _bind(parameters)).rowcount

    def execute_many(self, sql: str, parameters: Sequence[Parameters]) -> None:
        self._connection.executemany(sql, [_bind(p) for p in parameters])

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        cursor = self._connection.execute(sql, _bind(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [{name: _stamp(name, value) for name, value in zip(names, row, strict=True)} for row in cursor]


class SqliteDatabase:
    dialect = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._idle: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._pid = os.getpid()

    @contextmanager
    def transaction(self) -> Iterator[SqliteSession]:
        with self._connection() as connection:
            # IMMEDIATE: a transaction that upgrades from read to write fails at once instead of waiting its turn.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteSession(connection)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def read(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        with self._connection() as connection:
            connection.execute("PRAGMA query_only = ON")
            try:
                return SqliteSession(connection).rows(sql, parameters)
            finally:
                connection.execute("PRAGMA query_only = OFF")

    def close(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection: sqlite3.Connection | None = None
        try:
            connection = self._take()
            yield connection
        except sqlite3.Error as error:
            raise self._typed(error) from None
        finally:
            if connection is not None:
                with self._guard:
                    self._idle.append(connection)

    def _take(self) -> sqlite3.Connection:
        with self._guard:
            if self._pid != os.getpid():  # SQLite connections must not cross a fork
                self._idle, self._pid = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        return self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what, remedy = describe_os_error(error)
            raise ControlError(f"Control database in {self._folder}: {what}", remedy=remedy) from None
        connection = sqlite3.connect(":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            for schema in _SCHEMAS:
                # SQLite takes no parameter for the schema name; both are constants.
                connection.execute(_ATTACH[schema], (str(self._folder / f"{schema}.db"),))
                self._enter_wal(connection, schema)
        except BaseException:
            connection.close()
            raise
        return connection

    def _enter_wal(self, connection: sqlite3.Connection, schema: str) -> None:
        if connection.execute(_MODE[schema]).fetchone()[0] != "wal":
            # The switch asks for the whole file and ignores the busy timeout: one process at a time does it.
            with _exclusive(self._folder / ".wal-switch"):
                connection.execute(_WAL[schema])
        # NORMAL: a power cut may lose the last log rows, never damage the file; the state of the data is in the warehouse.
        connection.execute(_NORMAL[schema])

    def _typed(self, error: sqlite3.Error) -> ControlError | TransientControlError:
        code = getattr(error, "sqlite_errorcode", None)
        primary = code & 0xFF if isinstance(code, int) else -1
        if primary in _BUSY:
            return TransientControlError(f"Control database in {self._folder} stayed busy for {BUSY_SECONDS:.0f} s", remedy="run again")
        return ControlError(f"Control database in {self._folder}: {error}", remedy=_REMEDIES.get(primary, ""))


_ATTACH = {"etl": "ATTACH DATABASE ? AS etl", "config": "ATTACH DATABASE ? AS config"}
_MODE = {"etl": "PRAGMA etl.journal_mode", "config": "PRAGMA config.journal_mode"}
_WAL = {"etl": "PRAGMA etl.journal_mode = WAL", "config": "PRAGMA config.journal_mode = WAL"}
_NORMAL = {"etl": "PRAGMA etl.synchronous = NORMAL", "config": "PRAGMA config.synchronous = NORMAL"}


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """A lock of the operating system: gone with its process, so nothing is left to clean."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _bind(parameters: Parameters | None) -> dict[str, object]:
    return {name: _stored(value) for name, value in (parameters or {}).items()}


def _stored(value: object) -> object:
    value = utc_naive(value)
    return value.isoformat(sep=" ", timespec="microseconds") if isinstance(value, dt.datetime) else value


def _stamp(name: str, value: object) -> object:
    if isinstance(value, str) and is_stamp(name):
        try:
            return dt.datetime.fromisoformat(value)
        except ValueError:  # a column somebody named ...Ts that holds no stamp: its text is the value
            return value
    return value
