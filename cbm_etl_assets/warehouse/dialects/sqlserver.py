"""SQL Server 2019 and later as the warehouse, through the ODBC driver; bulk loads through mssql-python where it is installed.

Owns the operations of the port. Every one opens its own connection. What may be tried again without harm is tried again here
(opening, issuing a sequence number, reading, purging); staging and apply are retried by the pipeline, which can read anew.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from cbm_etl_assets.errors import ConfigurationError, TransientWarehouseError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Unstorable
from cbm_etl_assets.reliability.retry import Clockwork, RetryPolicy, call_with_retry
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse import merging
from cbm_etl_assets.warehouse.dialects import sqlserver_move
from cbm_etl_assets.warehouse.dialects.sqlserver_apply import SqlServerApply, read_state, state_row
from cbm_etl_assets.warehouse.dialects.sqlserver_bulk import Sender, StagingLoad, choose_sender
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Connector, Session
from cbm_etl_assets.warehouse.dialects.sqlserver_evolve import describe
from cbm_etl_assets.warehouse.dialects.sqlserver_read import arrow_batch, arrow_schema, check_reads
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import Layout, SqlServerStatements, iso, make_statements
from cbm_etl_assets.warehouse.dialects.sqlserver_types import quote
from cbm_etl_assets.warehouse.port import Absent, ApplyRequest, Capabilities, Outcome, QueryResult, StagingTable, TableState, Transfer
from cbm_etl_assets.warehouse.presenting import Presenting, Step
from cbm_etl_assets.warehouse.reading import Reading
from cbm_etl_assets.warehouse.sql import Fragment, Ident

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)
_READ_ROWS = 50_000
_OLDEST_COMPATIBILITY = 130  # SQL Server 2016: DROP ... IF EXISTS and what else the statements use
T = TypeVar("T")


def create(settings: Settings, now: Callable[[], dt.datetime]) -> SqlServerWarehouse:
    chosen, warehouse = settings.warehouse.sqlserver, settings.warehouse
    layout = Layout(
        key_collation=chosen.key_collation, compression=chosen.compression, filegroup=chosen.filegroup,
        schemas=(("ods", chosen.ods_schema), ("stg", chosen.staging_schema), ("marts", chosen.marts_schema)),
    )  # fmt: skip
    secret = warehouse.connection_string.get_secret_value() if warehouse.connection_string else ""
    connector = Connector(secret, make_statements(layout), warehouse.lock_wait_seconds, chosen.query_timeout_seconds)
    return SqlServerWarehouse(
        connector,
        now,
        bulk=chosen.bulk,
        bulk_timeout_seconds=chosen.bulk_timeout_seconds,
        retry=RetryPolicy(retries=warehouse.retries, base_seconds=warehouse.retry_delay_seconds),
    )


@dataclass
class SqlServerWarehouse(Reading, Presenting):
    """Implements warehouse.port.Warehouse."""

    connector: Connector
    now: Callable[[], dt.datetime]
    bulk: str = "auto"
    bulk_timeout_seconds: int = 3600
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    clockwork: Clockwork = field(default_factory=Clockwork)
    sender: Sender | None = None

    name = "sqlserver"
    capabilities = Capabilities(
        max_identifier_chars=128,
        max_decimal_precision=38,
        max_columns=1024,
        single_writer_process=False,
        unstorable=frozenset({Unstorable.NON_FINITE}),  # float takes neither NaN nor an infinite number
    )

    def __post_init__(self) -> None:
        self._statements: SqlServerStatements = self.connector.statements
        self._prepared = False

    # -- what a load does -----------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Raises: WarehouseError (login, database, rights), ConfigurationError, MissingDependencyError, TransientWarehouseError."""
        if not self._prepared:
            self._again(self._bootstrap)
            self._prepared = True

    def acquire(self, table: str) -> TableState:
        self.prepare()
        text = self._statements.render("staging/issue", state=self._statements.state)
        issued = self._again(lambda: self._rows(text, [table, iso(self.now())], table))
        self.drop_staging(table)
        return state_row(issued[0]).state

    def state(self, table: str) -> TableState:
        self.prepare()

        def read() -> TableState:
            with self.connector.session(table) as session:
                return read_state(session, self._statements, table).state

        return self._again(read)

    def load_staging(self, spec: TableSpec, staging: StagingTable, batches: Iterable[pa.RecordBatch]) -> int:
        self.prepare()
        merging.refuse_what_does_not_fit(spec, self.capabilities, "SQL Server")
        return StagingLoad(self.connector, self._statements, self._sender, spec, staging).run(batches)

    def apply(self, request: ApplyRequest) -> Outcome:
        self.prepare()
        with self.connector.session(request.spec.name) as session:
            work = SqlServerApply(
                session, self._statements, request, now=self.now(), lock_wait_ms=round(self.connector.lock_wait_seconds * 1000)
            )
            outcome = work.run()
            if request.mode == "full":
                self._describe(session, request.spec)
            return outcome

    def take_over(self, transfer: Transfer) -> None:
        self.prepare()
        merging.refuse_what_does_not_fit(transfer.spec, self.capabilities, "SQL Server")
        with self.connector.session(transfer.spec.name) as session:
            wait = round(self.connector.lock_wait_seconds * 1000)
            sqlserver_move.take_over(session, self._statements, transfer, self.now(), wait)

    def absent(self, spec: TableSpec, staging: StagingTable) -> Absent:
        self.prepare()
        target, source = self._statements.ident("ods", spec.name), self._statements.ident("stg", staging.name)
        with self.connector.session(spec.name) as session:
            if not self._stored_columns(session, spec.name):
                return Absent(live=0, keys=_no_keys(spec))
            live = session.number(self._statements.render("ods/live_count", target=target))
            keys = Fragment("".join(f"o.{quote(name)}, " for name in spec.key_targets))
            text = self._statements.render("ods/absent", target=target, staging=source, keys=keys)
            return Absent(live=live, keys=_table(_batches(session, text, [staging.seq], _READ_ROWS)))

    def recheck_keys(self, spec: TableSpec) -> pa.Table:
        self.prepare()
        recheck = f"_cbm_recheck__{spec.name}"
        text = self._statements.render(
            "staging/recheck_keys", recheck=self._statements.ident("stg", recheck), keys=self._statements.names(spec.key_targets)
        )
        with self.connector.session(spec.name) as session:
            if not spec.key_targets or not self._stored_columns(session, recheck, "stg"):
                return _no_keys(spec)
            return _table(_batches(session, text, [], _READ_ROWS))

    def purge(self, spec: TableSpec, before: dt.datetime) -> int:
        self.prepare()
        text = self._statements.render("ods/purge", target=self._statements.ident("ods", spec.name))
        return int(self._again(lambda: self._rows(text, [iso(before)], spec.name))[0][0])

    def drop_staging(self, table: str) -> int:
        """One that another session still holds (a loader that lost its table and does not know yet) is left to the next sweep."""
        self.prepare()
        pattern = re.compile(re.escape(table) + r"__\d+")
        dropped = 0
        for name in self.left_over():
            if pattern.fullmatch(name):
                text = self._statements.render("ddl/drop_table", target=self._statements.ident("stg", name))
                try:
                    self._rows(text, [], table)
                    dropped += 1
                except TransientWarehouseError as error:
                    _log.warning("Staging table '%s' stays for the next sweep: %s", name, error.message)
        return dropped

    # -- reading --------------------------------------------------------------------------------------------------

    def columns(self, table: str) -> dict[str, str]:
        self.prepare()

        def read() -> dict[str, str]:
            with self.connector.session(table) as session:
                return self._stored_columns(session, table)

        return self._again(read)

    def left_over(self) -> list[str]:
        self.prepare()
        rows = self._again(lambda: self._rows(self._statements.render("read/left_over"), [self._statements.schema("stg")], ""))
        return [str(row[0]) for row in rows]

    def query(self, sql: str, parameters: Sequence[object] = ()) -> QueryResult:
        with self._reader(sql) as session:
            results = session.run(sql, parameters)
            return QueryResult(tuple(str(c[0]) for c in results[0].columns), results[0].rows) if results else QueryResult(())

    def arrow(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        with self._reader(sql) as session:
            return _table(_batches(session, sql, parameters, _READ_ROWS))

    def batches(self, sql: str, batch_rows: int) -> Generator[pa.RecordBatch]:
        with self._reader(sql) as session:
            yield from (batch for batch in _batches(session, sql, (), batch_rows) if batch.num_rows)

    def advice(self) -> tuple[str, ...]:
        """What the server's set-up lacks, in words, for the preflight."""
        self.prepare()
        row = self._again(lambda: self._rows(self._statements.render("session/server"), [], ""))[0]
        is_snapshot, compatibility, _collation, version, may_create = row
        found = []
        if not is_snapshot:
            found.append(
                "READ_COMMITTED_SNAPSHOT is off: readers wait for loads, or see half of one. "
                "ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE"
            )
        if int(compatibility) < _OLDEST_COMPATIBILITY:
            found.append(f"compatibility level {compatibility} is below {_OLDEST_COMPATIBILITY} (server {version}): raise it")
        if not may_create:
            found.append("the login may not create tables: run sql/sqlserver/grants/warehouse_login.sql as an administrator")
        return tuple(found)

    def describe(self, spec: TableSpec) -> int:
        with self.connector.session(spec.name) as session:
            return describe(session, self._statements, spec)

    def _schema_step(self, schema: str) -> Step:
        values = {"schema": self._statements.text(schema), "quoted_in_text": self._statements.quoted_in_text(schema)}
        return Step("ddl/bootstrap_schema", values)

    def _run_steps(self, steps: Sequence[Step]) -> None:
        """A batch each, as CREATE VIEW wants; each can be repeated, so one that fails leaves nothing to clean up."""
        with self.connector.session() as session:
            for step in steps:
                session.run(step.text(self._statements))

    def start_over(self) -> None:
        """For the demo. Raises: ConfigurationError where tables stand that no demo made."""
        schemas = [self._statements.schema(name) for name in ("stg", "ods", "marts")]
        has_tables, is_ours = self._rows(self._statements.render("demo/owner"), schemas, "")[0]
        if has_tables and not is_ours:
            raise ConfigurationError(
                f"The database of CBM_WAREHOUSE__CONNECTION_STRING holds tables in {', '.join(schemas)}; the demo empties what it finds.",
                remedy="give the demo a database of its own",
            )
        for name in self._rows(self._statements.render("demo/tables"), schemas, ""):
            self._rows(self._statements.render("ddl/drop_table", target=Ident(tuple(map(str, name)), quote)), [], "")
        self._prepared = False
        self.prepare()
        if not is_ours:
            self._rows(self._statements.render("demo/mark"), schemas[:1], "")

    def close(self) -> None:
        """Nothing stays open between operations."""

    # -- inside ---------------------------------------------------------------------------------------------------

    @cached_property
    def _sender(self) -> Sender:
        return self.sender or choose_sender(self.connector, self._statements, self.bulk, self.bulk_timeout_seconds)

    def _again(self, work: Callable[[], T]) -> T:
        return call_with_retry(work, self.retry, clockwork=self.clockwork)

    def _rows(self, text: str, parameters: Sequence[object], table: str) -> list[tuple[Any, ...]]:
        with self.connector.session(table) as session:
            return session.rows(text, parameters)

    def _bootstrap(self) -> None:
        """Without rights to create anything, a warehouse an administrator has prepared is enough."""
        statements = self._statements
        name = statements.text(statements.state)
        ods, marts = statements.text(statements.schema("ods")), statements.text(statements.schema("marts"))
        with self.connector.session() as session:
            if session.number(statements.render("ddl/bootstrapped", state_name=name, ods=ods, marts=marts)):
                return
            for schema in ("stg", "ods", "marts"):
                own = statements.schema(schema)
                session.run(
                    statements.render("ddl/bootstrap_schema", schema=statements.text(own), quoted_in_text=statements.quoted_in_text(own))
                )
            session.run(statements.render("ddl/bootstrap_state", state_name=name, state=statements.state))

    def _stored_columns(self, session: Session, table: str, schema: str = "ods") -> dict[str, str]:
        rows = session.rows(self._statements.render("read/columns"), [self._statements.schema(schema), table])
        return {str(name): str(kind) for name, kind in rows}

    def _describe(self, session: Session, spec: TableSpec) -> None:
        """Labels beside the columns help people; a login that may not write them loads all the same."""
        try:
            describe(session, self._statements, spec)
        except (WarehouseError, TransientWarehouseError) as error:
            _log.warning("Table '%s' is loaded; its descriptions were not written: %s", spec.name, error.message)

    @contextmanager
    def _reader(self, sql: str) -> Iterator[Session]:
        """A transaction that is always rolled back, around one statement that reads."""
        check_reads(sql)
        with self.connector.session() as session:
            session.run(self._statements.render("session/begin"))
            yield session
            session.run(self._statements.render("session/rollback"))


def _batches(session: Session, sql: str, parameters: Sequence[object], size: int) -> Iterator[pa.RecordBatch]:
    """Yields: an empty batch first, which carries the types."""
    schema = None
    for result in session.stream(sql, parameters, size):
        schema = schema or arrow_schema(result.columns)
        yield arrow_batch(schema, result.rows)


def _table(batches: Iterator[pa.RecordBatch]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches(list(batches))


def _no_keys(spec: TableSpec) -> pa.Table:
    import pyarrow as pa

    kinds = dict(spec.target_columns)
    fields = [pa.field(name, kinds[name].arrow()) for name in spec.key_targets]
    return pa.schema([*fields, pa.field("_key_hash", pa.binary())]).empty_table()
