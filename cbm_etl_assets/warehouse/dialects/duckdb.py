"""DuckDB as the warehouse: one file, one writing process at a time.

The file is opened for each operation and closed after it, so that the CLI, Dagster and BI tools take turns; inside a
process a lock makes threads take turns too. Creation happens aside and is renamed: a kill during the first creation
leaves a file DuckDB can never open (25 kill -9 inside later transactions tore nothing).
"""

from __future__ import annotations

import datetime as dt
import os
import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from cbm_etl_assets.errors import DamagedWarehouseError, TransientWarehouseError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Kind, LogicalType
from cbm_etl_assets.reliability.deadline import interrupted
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse import presenting
from cbm_etl_assets.warehouse.dialects import duckdb_move, duckdb_raw
from cbm_etl_assets.warehouse.dialects.duckdb_apply import DuckDbApply
from cbm_etl_assets.warehouse.port import Absent, ApplyRequest, Capabilities, Outcome, QueryResult, StagingTable, TableState, Transfer
from cbm_etl_assets.warehouse.presenting import Presenting, Step
from cbm_etl_assets.warehouse.reading import Reading
from cbm_etl_assets.warehouse.sql import Fragment, Statements

if TYPE_CHECKING:
    import pyarrow as pa

# v1.5.0, not the 2.0 default: BI connectors and DBeaver still ship 1.5 engines, which cannot open 2.0 files.
_STORAGE: dict[str, Any] = {"storage_compatibility_version": "v1.5.0"}
# DuckDB draws its progress bar on stdout, into the middle of --json, once a statement takes two seconds.
# A session option: connect() refuses it in its config.
_QUIET = "SET enable_progress_bar = false"
_LOCKED = re.compile(r"could not set lock|conflicting lock|different configuration", re.IGNORECASE)
_DAMAGED = re.compile(r"not a valid duckdb|corrupt|checksum|serialization error|invalid database", re.IGNORECASE)
_POLL_SECONDS = 0.05
_PROCESS_LOCKS: dict[Path, threading.RLock] = {}

_TYPES = {
    Kind.VARCHAR: "VARCHAR", Kind.INTEGER: "INTEGER", Kind.BIGINT: "BIGINT", Kind.DOUBLE: "DOUBLE", Kind.BOOLEAN: "BOOLEAN",
    Kind.DATE: "DATE", Kind.TIMESTAMP: "TIMESTAMP", Kind.TIMESTAMPTZ: "TIMESTAMPTZ", Kind.TIME: "TIME", Kind.BINARY: "BLOB",
}  # fmt: skip


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def type_name(logical: LogicalType) -> str:
    """VARCHAR carries no width: DuckDB does not enforce one and widening would rewrite the table for nothing."""
    if logical.kind is Kind.DECIMAL:
        return f"DECIMAL({logical.precision},{logical.scale})"
    return _TYPES[logical.kind]


def create(settings: Settings, now: Callable[[], dt.datetime]) -> DuckDbWarehouse:
    return DuckDbWarehouse(settings.warehouse_path, now=now, lock_wait_seconds=settings.warehouse.lock_wait_seconds)


class DuckDbWarehouse(Reading, Presenting):
    """Implements warehouse.port.Warehouse."""

    name = "duckdb"
    capabilities = Capabilities(
        max_identifier_chars=1024,  # no limit of its own; a bound for generated names
        max_decimal_precision=38,
        max_columns=5000,
        single_writer_process=True,  # a second process gets IOException while one writes
    )

    def __init__(self, path: Path, *, now: Callable[[], dt.datetime], lock_wait_seconds: float = 60) -> None:
        self.path = Path(path)
        self._now = now
        self._lock_wait_seconds = lock_wait_seconds
        self._lock = _PROCESS_LOCKS.setdefault(self.path.absolute(), threading.RLock())
        self._statements = Statements("duckdb", quote, type_name)
        self._prepared = False
        self._raw: dict[str, list[str]] = {}  # staging view -> the raw files a reading session may open

    def prepare(self) -> None:
        """Raises: DamagedWarehouseError, TransientWarehouseError, WarehouseError (folder not writable)."""
        with self._lock:
            if self._prepared and self.path.exists():
                return
            if not self.path.exists():
                self._create_aside()
            with self._session() as connection:
                connection.execute(self._statements.render("ddl/bootstrap"))
            self._prepared = True

    def acquire(self, table: str) -> TableState:
        self.prepare()
        with self._transaction() as connection:
            self._drop_left_over(connection, table)
            connection.execute(self._statements.render("staging/issue"), {"table": table, "now": self._now()})
            return self._state(connection, table)

    def state(self, table: str) -> TableState:
        self.prepare()
        with self._session() as connection:
            return self._state(connection, table)

    def load_staging(self, spec: TableSpec, staging: StagingTable, batches: Iterable[pa.RecordBatch]) -> int:
        self.prepare()
        columns = self._statements.columns(spec.target_columns)
        target = self._statements.ident("stg", staging.name)
        with self._transaction() as connection:
            connection.execute(self._statements.render("staging/create", staging=target, columns=columns))
            return self._fill(connection, self._statements.render(
                "staging/fill", staging=target, columns=columns, incoming=self._statements.ident("_cbm_incoming")
            ), batches)  # fmt: skip

    def stage_files(self, spec: TableSpec, staging: StagingTable, files: Sequence[tuple[Path, int]]) -> int | None:
        if not duckdb_raw.is_viewable(spec, files):
            return None
        self.prepare()
        with self._transaction() as connection:
            connection.execute(duckdb_raw.view_text(self._statements, spec, staging, files))
            self._raw[staging.name] = [str(path) for path, _ in files]
            counted = self._statements.render("ods/count", target=self._statements.ident("stg", staging.name))
            return int(connection.execute(counted).fetchall()[0][0])

    def apply(self, request: ApplyRequest) -> Outcome:
        self.prepare()
        with self._transaction() as connection:
            state = self._state(connection, request.spec.name)
            outcome = DuckDbApply(connection, self._statements, request, self._now()).run(state)
        self._raw.pop(request.staging.name, None)
        if request.mode == "full":
            self.describe_or_warn(request.spec)
        return outcome

    def take_over(self, transfer: Transfer) -> None:
        self.prepare()
        with self._transaction() as connection:
            duckdb_move.take_over(connection, self._statements, transfer, self._state(connection, transfer.spec.name), self._now())

    def absent(self, spec: TableSpec, staging: StagingTable) -> Absent:
        self.prepare()
        target, source = self._statements.ident("ods", spec.name), self._statements.ident("stg", staging.name)
        keys = Fragment("".join(f"o.{quote(name)}, " for name in spec.key_targets))
        with self._transaction() as connection:
            create = self._statements.render("ddl/create_ods", target=target, columns=self._statements.columns(spec.target_columns))
            connection.execute(create)
            live = connection.execute(self._statements.render("ods/live", target=target)).fetchall()
            text = self._statements.render("ods/absent", target=target, staging=source, keys=keys)
            found = connection.sql(text, params={"seq": staging.seq}).to_arrow_table()
            return Absent(live=int(live[0][0]), keys=found)

    def recheck_keys(self, spec: TableSpec) -> pa.Table:
        self.prepare()
        recheck = self._statements.ident("stg", f"_cbm_recheck__{spec.name}")
        keys = self._statements.columns([c for c in spec.target_columns if c[0] in spec.key_targets])
        with self._transaction() as connection:
            connection.execute(self._statements.render("staging/recheck_create", recheck=recheck, keys=keys))
            return connection.sql(self._statements.render("staging/recheck_keys", recheck=recheck, keys=keys)).to_arrow_table()

    def purge(self, spec: TableSpec, before: dt.datetime) -> int:
        self.prepare()
        with self._transaction() as connection:
            row = connection.execute(
                self._statements.render("ods/purge", target=self._statements.ident("ods", spec.name)), {"before": before}
            ).fetchone()
            return int(row[0]) if row else 0

    def drop_staging(self, table: str) -> int:
        self.prepare()
        with self._transaction() as connection:
            return self._drop_left_over(connection, table)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> QueryResult:
        with self._reader() as connection:
            cursor = self._run_read_only(connection, sql, parameters)
            return QueryResult(tuple(c[0] for c in cursor.description or ()), cursor.fetchall())

    def arrow(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        with self._reader() as connection:
            try:
                return connection.sql(sql, params=list(parameters)).to_arrow_table()
            except duckdb.Error as error:
                raise _not_reading(error) from None

    def batches(self, sql: str, batch_rows: int) -> Generator[pa.RecordBatch]:
        with self._reader() as connection:
            try:
                yield from connection.sql(sql).to_arrow_reader(batch_rows)
            except duckdb.Error as error:
                raise _not_reading(error) from None

    def close(self) -> None:
        """Nothing stays open between operations."""

    def _run_steps(self, steps: Sequence[Step]) -> None:
        try:
            with self._transaction() as connection:
                for step in steps:
                    connection.execute(step.text(self._statements))
        except duckdb.Error as error:
            raise presenting.refused(error) from None

    # -- inside -------------------------------------------------------------------------------------------------

    def _state(self, connection: duckdb.DuckDBPyConnection, table: str) -> TableState:
        row = connection.execute(self._statements.render("staging/state"), {"table": table}).fetchone()
        if row is None:
            return TableState(table)
        return TableState(row[0], row[1], row[2], row[3], row[4], row[5], tuple(row[6]))

    def _drop_left_over(self, connection: duckdb.DuckDBPyConnection, table: str) -> int:
        found = connection.execute(self._statements.render("staging/left_over"), {"pattern": re.escape(table) + r"__\d+"}).fetchall()
        for (name,) in found:
            duckdb_raw.drop(connection, self._statements, name)
            self._raw.pop(name, None)
        return len(found)

    @staticmethod
    def _fill(connection: duckdb.DuckDBPyConnection, insert: str, batches: Iterable[pa.RecordBatch]) -> int:
        import pyarrow as pa

        source = iter(batches)
        first = next(source, None)
        if first is None:
            return 0

        def chained() -> Iterator[pa.RecordBatch]:
            yield first
            yield from source

        connection.register("_cbm_incoming", pa.RecordBatchReader.from_batches(first.schema, chained()))
        try:
            row = connection.execute(insert).fetchone()
        finally:
            connection.unregister("_cbm_incoming")
        return int(row[0]) if row else 0

    @staticmethod
    def _run_read_only(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object]) -> duckdb.DuckDBPyConnection:
        try:
            found: duckdb.DuckDBPyConnection | None = connection.execute(sql, list(parameters))  # None, against its stub, for no statement
        except duckdb.Error as error:
            raise _not_reading(error) from None
        if found is None:
            raise WarehouseError("There is no statement in the query.", remedy="for instance SELECT * FROM ods.client")
        return found

    @contextmanager
    def _reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self.path.exists():
            raise WarehouseError(f"There is no warehouse file '{self.path.name}' yet.", remedy="load a table first: cbm-etl run T")
        # External access is off: a read-only query must not read or write other files of the machine.
        if not self._raw:
            with self._session(read_only=True, config={"enable_external_access": "false"}) as connection:
                yield connection
            return
        # A staged load is a view over raw files: those, and nothing else.
        files = Fragment(", ".join(duckdb_raw.literal(path) for paths in list(self._raw.values()) for path in paths))
        with self._session(read_only=True) as connection:
            connection.execute(self._statements.render("read/raw_only", files=files))
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._session() as connection:
            connection.execute("BEGIN TRANSACTION")
            try:
                yield connection
            except BaseException:
                _roll_back(connection)
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _session(self, *, read_only: bool = False, config: dict[str, Any] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            connection = self._open(read_only, config or {})
            try:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute(_QUIET)
                with interrupted(connection.interrupt):
                    yield connection
            except duckdb.InterruptException:
                raise WarehouseError("DuckDB: the statement was interrupted; nothing of it was kept.") from None
            except duckdb.TransactionException as error:
                raise TransientWarehouseError(f"DuckDB: {error}") from None
            except duckdb.IOException as error:
                raise _io_error(error) from None
            finally:
                connection.close()

    def _open(self, read_only: bool, config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self._lock_wait_seconds
        while True:
            try:
                return duckdb.connect(self.path, read_only=read_only, config=config if read_only else {**_STORAGE, **config})
            except (duckdb.IOException, duckdb.ConnectionException) as error:
                if not _LOCKED.search(str(error)):
                    raise self._refusal(error) from None
                if time.monotonic() >= deadline:
                    raise TransientWarehouseError(
                        f"The warehouse file '{self.path.name}' stayed locked by another process for {self._lock_wait_seconds:g} s.",
                        remedy="close the BI tool or process that holds it, or raise CBM_WAREHOUSE__LOCK_WAIT_SECONDS",
                    ) from None
            except duckdb.Error as error:
                raise self._refusal(error) from None
            time.sleep(_POLL_SECONDS)

    def _refusal(self, error: duckdb.Error) -> WarehouseError:
        if _DAMAGED.search(str(error)):
            return DamagedWarehouseError(
                f"The warehouse file '{self.path.name}' is damaged or no DuckDB file; nothing was overwritten.",
                remedy="restore it from a backup, or move it away and run a full load of every table",
            )
        return WarehouseError(f"The warehouse file '{self.path.name}' cannot be opened: {error}", remedy="check the folder and its rights")

    def _create_aside(self) -> None:
        aside = self.path.with_name(f"{self.path.name}.new-{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            aside.unlink(missing_ok=True)
            connection = duckdb.connect(aside, config=_STORAGE)
            try:
                connection.execute(self._statements.render("ddl/bootstrap"))
                connection.execute("CHECKPOINT")
            finally:
                connection.close()
            os.link(aside, self.path)  # fails when another process was quicker: its file stays
        except FileExistsError:
            return
        except (OSError, duckdb.Error) as error:
            raise WarehouseError(
                f"The warehouse file '{self.path.name}' cannot be created: {error}", remedy="check the folder and its rights"
            ) from None
        finally:
            aside.unlink(missing_ok=True)


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        # The transaction is already aborted or the file is gone; closing the connection drops it, the first error tells why.
        return


def _not_reading(error: duckdb.Error) -> WarehouseError:
    """The remedy follows the error: a misspelt table is no attempt to write."""
    if isinstance(error, duckdb.CatalogException):
        remedy = "check the name, with its schema (ods.client); SHOW ALL TABLES lists what is there"
    elif isinstance(error, duckdb.BinderException | duckdb.ParserException):
        remedy = "check the statement; DESCRIBE ods.client lists a table's columns"
    elif isinstance(error, duckdb.InvalidInputException | duckdb.PermissionException):
        remedy = "only reading statements are allowed here, on the warehouse alone"
    else:
        remedy = "check the statement and the values it converts"
    return WarehouseError(f"The warehouse refused the query: {error}", remedy=remedy)


def _io_error(error: duckdb.IOException) -> WarehouseError | TransientWarehouseError:
    if "No space left" in str(error):
        return WarehouseError("The disk of the warehouse is full; the load was rolled back.", remedy="free space and run again")
    return WarehouseError(f"The warehouse file could not be read or written: {error}")
