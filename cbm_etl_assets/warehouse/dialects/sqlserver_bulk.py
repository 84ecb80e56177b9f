"""Rows into a staging table: mssql-python's bulk copy, else pyodbc in arrays.

Owns the order of the steps (create, stream, widen, count) and which library sends. A text longer than its column ends the
stream, widens the column and goes on: nothing is cut, no row is refused. What a batch must be is in sqlserver_fit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from cbm_etl_assets.errors import CbmError, MissingDependencyError, TransientWarehouseError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.reliability.deadline import remaining_seconds
from cbm_etl_assets.reliability.redact import redact
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import LOGIN_SECONDS, Connector, Session, pairs, shortest
from cbm_etl_assets.warehouse.dialects.sqlserver_errors import classify_bulk
from cbm_etl_assets.warehouse.dialects.sqlserver_fit import Fitting, TooWide
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import SqlServerStatements
from cbm_etl_assets.warehouse.port import StagingTable
from cbm_etl_assets.warehouse.sql import Fragment, Ident

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)
PACKAGE = "mssql_python"
EXTRA_REMEDY = "pip install 'cbm-etl-assets[sqlserver]'"
# What mssql-python's own parser takes; it refuses every other keyword, and the driver and the application name are its own.
_KEYWORDS = {
    "server": "Server", "data source": "Server", "address": "Server", "addr": "Server", "network address": "Server",
    "uid": "UID", "user id": "UID", "user": "UID", "pwd": "PWD", "password": "PWD", "database": "Database",
    "initial catalog": "Database", "authentication": "Authentication", "trusted_connection": "Trusted_Connection",
    "integrated security": "Trusted_Connection", "encrypt": "Encrypt", "trustservercertificate": "TrustServerCertificate",
    "hostnameincertificate": "HostnameInCertificate", "servercertificate": "ServerCertificate", "serverspn": "ServerSPN",
    "multisubnetfailover": "MultiSubnetFailover", "applicationintent": "ApplicationIntent", "connectretrycount": "ConnectRetryCount",
    "connectretryinterval": "ConnectRetryInterval", "keepalive": "KeepAlive", "keepaliveinterval": "KeepAliveInterval",
    "ipaddresspreference": "IpAddressPreference", "packetsize": "PacketSize", "packet size": "PacketSize",
}  # fmt: skip
_LINK = ("connection", "timed out", "timeout", "broken pipe", "reset", "eof", "socket", "closed")


class Sender(Protocol):
    """Sends every batch of the reader and commits. Raises what its library raises; rows sent before it stay."""

    def __call__(self, target: Ident, names: Sequence[str], reader: pa.RecordBatchReader) -> None: ...


@dataclass(frozen=True)
class BulkCopy:
    """mssql-python: a connection of its own, committed as it goes; 10 times the rows a CPU second of the other way."""

    connection_string: str = field(repr=False)
    timeout_seconds: int

    def __call__(self, target: Ident, names: Sequence[str], reader: pa.RecordBatchReader) -> None:
        connection = _import_bulk().connect(bulk_connection_string(self.connection_string), timeout=LOGIN_SECONDS)
        seconds = shortest(self.timeout_seconds, remaining_seconds())
        try:
            # Unquoted: the names of staging tables are letters, digits and '_'; mapping is by ordinal unless names are given.
            connection.cursor().bulkcopy_arrow(
                ".".join(target.parts), reader, timeout=seconds, column_mappings=list(names), table_lock=True, keep_nulls=True
            )
        finally:
            connection.close()


@dataclass(frozen=True)
class RowArrays:
    """pyodbc `fast_executemany`, one transaction a batch."""

    connector: Connector
    statements: SqlServerStatements

    def __call__(self, target: Ident, names: Sequence[str], reader: pa.RecordBatchReader) -> None:
        import pyarrow as pa

        aware = {f.name for f in reader.schema if pa.types.is_timestamp(f.type) and f.type.tz}
        places = ", ".join("CAST(CAST(? AS nvarchar(40)) AS datetimeoffset(6))" if n in aware else "?" for n in names)
        sql = self.statements.render(
            "staging/insert", staging=target, columns=self.statements.names(names[:-2]), places=Fragment(places)
        )  # fmt: skip
        with self.connector.session(".".join(target.parts)) as session:
            for batch in reader:
                columns = [_values(batch.column(name), aware=name in aware) for name in names]
                session.run(self.statements.render("session/begin"))
                session.insert(sql, list(zip(*columns, strict=True)))
                session.run(self.statements.render("session/commit"))


def _values(column: pa.Array, *, aware: bool) -> list[Any]:
    values = column.to_pylist()
    return [v and v.isoformat(sep=" ", timespec="microseconds") for v in values] if aware else values


def _import_bulk() -> Any:
    """Raises: MissingDependencyError where the package is there but a library of the system is not."""
    try:
        return import_module(PACKAGE)
    except ImportError as error:
        raise MissingDependencyError(
            f"The package mssql-python cannot be loaded: {error}.",
            remedy="as root: apt-get install -y libltdl7 libkrb5-3 libgssapi-krb5-2, or CBM_WAREHOUSE__SQLSERVER__BULK=odbc",
        ) from None


def bulk_connection_string(connection_string: str) -> str:
    """The keywords mssql-python knows, in its spelling; the first of two spellings of one counts, as in ODBC."""
    kept: dict[str, str] = {}
    for keyword, value in pairs(connection_string):
        if name := _KEYWORDS.get(keyword.lower()):
            kept.setdefault(name, "yes" if value.lower() == "sspi" else value)
    return "".join(f"{name}={value};" for name, value in kept.items())


def choose_sender(connector: Connector, statements: SqlServerStatements, how: str, timeout_seconds: int) -> Sender:
    """`how`: auto, bulkcopy, odbc. Raises: MissingDependencyError where bulkcopy is asked for and not installed."""
    installed = how != "odbc" and find_spec(PACKAGE) is not None
    if installed:
        return BulkCopy(connector.connection_string, timeout_seconds)
    message = "The package mssql-python (bulk copy into SQL Server) is not installed"
    if how == "bulkcopy":
        raise MissingDependencyError(f"{message}.", remedy=f"{EXTRA_REMEDY}, or CBM_WAREHOUSE__SQLSERVER__BULK=auto")
    if how == "auto":
        _log.warning("%s: rows go through pyodbc, at a tenth of the speed. %s", message, EXTRA_REMEDY)
    return RowArrays(connector, statements)


@dataclass
class StagingLoad:
    """One staging table, from nothing to counted."""

    connector: Connector
    statements: SqlServerStatements
    sender: Sender
    spec: TableSpec
    staging: StagingTable

    def run(self, batches: Iterable[pa.RecordBatch]) -> int:
        """Rows written. Raises: ConversionError naming the column, TransientWarehouseError, WarehouseError, the source's own."""
        target = self.statements.ident("stg", self.staging.name)
        try:
            return self._load(target, batches)
        except TransientWarehouseError:
            raise  # the server may not answer; the next attempt begins by dropping it
        except Exception:
            self._drop(target)
            raise

    def _load(self, target: Ident, batches: Iterable[pa.RecordBatch]) -> int:
        fitting = Fitting.of(self.spec)
        with self.connector.session(self.spec.name) as session:
            session.run(self.statements.render("ddl/drop_table", target=target))
            session.run(self.statements.render("staging/create", staging=target, definitions=self._definitions(fitting.types())))
        stream = _Stream(fitting, batches)
        while stream.advance():
            while wide := stream.too_wide():
                self._widen(target, fitting, wide)
            self._send(target, stream)
        with self.connector.session(self.spec.name) as session:
            arrived = session.number(self.statements.render("staging/count", staging=target))
            if arrived != stream.rows:
                raise TransientWarehouseError(f"Table '{self.spec.name}': {stream.rows} rows sent, {arrived} in {self.staging.name}.")
            session.run(self.statements.render("staging/index", staging=target))
        return arrived

    def _drop(self, target: Ident) -> None:
        """What failed leaves no table behind where the server still answers; the first error is the one to tell."""
        try:
            with self.connector.session(self.spec.name) as session:
                session.run(self.statements.render("ddl/drop_table", target=target))
        except (TransientWarehouseError, WarehouseError) as error:
            _log.warning("Staging table '%s' stays for the next sweep: %s", self.staging.name, error.message)

    def _definitions(self, columns: Sequence[tuple[str, str]]) -> Fragment:
        return self.statements.definitions(columns, self.spec.key_targets)

    def _widen(self, target: Ident, fitting: Fitting, wide: TooWide) -> None:
        before, after = fitting.widen(wide)
        _log.warning(
            "Table '%s': column '%s' is %s, a value takes %d; it becomes %s", self.spec.name, wide.column, before, wide.needed, after
        )
        with self.connector.session(self.spec.name) as session:
            definitions = self._definitions([(wide.column, after)])
            session.run(self.statements.render("ddl/widen_column", target=target, definitions=definitions))

    def _send(self, target: Ident, stream: _Stream) -> None:
        import pyarrow as pa

        reader = pa.RecordBatchReader.from_batches(stream.fitting.schema, stream.until_too_wide())
        try:
            self.sender(target, stream.fitting.schema.names, reader)
        except BaseException as error:
            raise self._explained(error, stream) from error

    def _explained(self, error: BaseException, stream: _Stream) -> BaseException:
        """The reason: what the batches themselves raised, else what the server says when it is asked again, else the message."""
        if stream.error is not None:
            return stream.error
        # pyo3's PanicException is a BaseException; an interrupt stays what it is.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            return error
        if isinstance(error, CbmError):
            return error
        with self.connector.session(self.spec.name) as session:
            self._probe(session)
        text = redact(str(error), [self.connector.connection_string]).strip()
        if known := classify_bulk(text, self.spec.name):
            return known
        shown = f"Table '{self.spec.name}': the bulk copy ended early: {text}"
        if any(word in text.lower() for word in _LINK):
            return TransientWarehouseError(shown)
        return WarehouseError(shown, remedy="the staging table is loaded anew by the next run; see the server's error log")

    def _probe(self, session: Session) -> None:
        session.run(self.statements.render("staging/count", staging=self.statements.ident("stg", self.staging.name)))


@dataclass
class _Stream:
    """Batches made fit, until one needs a wider column: then that one waits for the next stream."""

    fitting: Fitting
    source: Iterable[pa.RecordBatch]
    rows: int = 0
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self._batches = iter(self.source)
        self._waiting: pa.RecordBatch | None = None

    def advance(self) -> bool:
        """True while there is a batch to send."""
        if self._waiting is None:
            self._waiting = next(self._batches, None)
        return self._waiting is not None

    def too_wide(self) -> TooWide | None:
        """What the waiting batch needs widened first."""
        return None if self._waiting is None else self.fitting.too_wide(self._waiting)

    def until_too_wide(self) -> Iterator[pa.RecordBatch]:
        """What it raises would reach the sender as a bare text: kept here, to be raised as it was."""
        try:
            yield from self._fitting_ones()
        except GeneratorExit:
            raise  # the sender gave up first: its error is the one to tell
        except BaseException as error:
            self.error = error
            raise

    def _fitting_ones(self) -> Iterator[pa.RecordBatch]:
        while self.advance():
            batch, self._waiting = self._waiting, None
            if batch is None:
                return
            if self.fitting.too_wide(batch):
                self._waiting = batch
                return
            ready = self.fitting.ready(batch)
            self.rows += ready.num_rows
            yield ready
