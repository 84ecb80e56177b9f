"""PostgreSQL as the warehouse: a server, many writers, one at a time a table.

Rows arrive by binary COPY in an unlogged staging table of their load; the merge is one transaction with the state row and the
fencing token, under the table's advisory lock. Readers see the table before or after it (MVCC). Identifiers are never cut:
names past 63 bytes are refused (`merging.refuse_what_does_not_fit`).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import ConfigurationError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Unstorable
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse import merging
from cbm_etl_assets.warehouse.dialects import postgresql_move
from cbm_etl_assets.warehouse.dialects import postgresql_types as types
from cbm_etl_assets.warehouse.dialects.postgresql_apply import PostgresApply, locked_state, state_of
from cbm_etl_assets.warehouse.dialects.postgresql_errors import refused_query
from cbm_etl_assets.warehouse.dialects.postgresql_session import Server, Session
from cbm_etl_assets.warehouse.dialects.postgresql_tables import Tables
from cbm_etl_assets.warehouse.feed import Feed
from cbm_etl_assets.warehouse.port import Absent, ApplyRequest, Capabilities, Outcome, QueryResult, StagingTable, TableState, Transfer
from cbm_etl_assets.warehouse.presenting import Presenting, Step
from cbm_etl_assets.warehouse.reading import Reading
from cbm_etl_assets.warehouse.sql import Fragment, Statements

if TYPE_CHECKING:
    import pyarrow as pa

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
OLDEST = 13_00_00  # server_version_num
_BY_COPY = re.compile(r"^\W*(select|with|values|table)\b", re.IGNORECASE)


def create(settings: Settings, now: Callable[[], dt.datetime]) -> PostgresWarehouse:
    """Raises: ConfigurationError without a connection string."""
    if settings.warehouse.connection_string is None:
        raise ConfigurationError(
            "CBM_WAREHOUSE__KIND is 'postgresql' and CBM_WAREHOUSE__CONNECTION_STRING is not set.",
            remedy="set it, for instance postgresql://user:password@host:5432/database?sslmode=require",
        )
    text = settings.warehouse.connection_string.get_secret_value()
    return PostgresWarehouse(text, now=now, lock_wait_seconds=settings.warehouse.lock_wait_seconds)


class PostgresWarehouse(Reading, Presenting):
    """Implements warehouse.port.Warehouse."""

    name = "postgresql"
    capabilities = Capabilities(
        max_identifier_chars=63,  # NAMEDATALEN - 1, in bytes
        max_decimal_precision=38,  # numeric takes 1,000; Arrow's decimal128 stops here
        max_columns=1600,  # MaxHeapAttributeNumber; dropped columns count
        single_writer_process=False,
        unstorable=frozenset({Unstorable.NUL_TEXT}),
    )

    _drops_first = True  # CREATE OR REPLACE VIEW renames no column; a schema's default privileges outlast the drop

    def __init__(self, connection_string: str, *, now: Callable[[], dt.datetime], lock_wait_seconds: float = 60) -> None:
        self._now = now
        self._statements = Statements("postgresql", types.quote, types.type_name)
        self._server = Server(connection_string, self._statements, lock_wait_seconds=lock_wait_seconds)
        self._prepared = False
        self._staged: dict[str, int] = {}

    def prepare(self) -> None:
        """Raises: TransientWarehouseError (out of reach), WarehouseError (login, database, rights, encoding)."""
        if self._prepared:
            return
        with self._server.transaction() as session:
            encoding = str(session.rows("session/server")[0][0])
            if encoding != "UTF8":
                raise WarehouseError(
                    f"The warehouse's database is encoded in {encoding}: it cannot hold every text exactly.",
                    remedy="create the database with ENCODING 'UTF8' TEMPLATE template0",
                )
            missing = [str(name) for (name,) in session.rows("ddl/missing_schemas")]
            if missing or not session.rows("ddl/has_state")[0][0]:
                session.rows("session/lock_table", {"table": ""})  # two first runs at once create one set
                for name in missing:
                    session.execute("ddl/create_schema", schema=self._statements.ident(name))
                session.execute("ddl/create_state")
        self._prepared = True

    def acquire(self, table: str) -> TableState:
        self.prepare()
        with self._writing(table) as session:
            self._drop_left_over(session, table)
            session.execute("staging/issue", {"table": table, "now": self._now()})
            return locked_state(session, table)[0]

    def state(self, table: str) -> TableState:
        self.prepare()
        with self._server.transaction(table, reading=True) as session:
            found = session.rows("staging/state", {"table": table})
        return state_of(found[0]) if found else TableState(table)

    def load_staging(self, spec: TableSpec, staging: StagingTable, batches: Iterable[pa.RecordBatch]) -> int:
        """Raises: ConversionError naming the column of a value that does not fit; what `batches` raises."""
        self.prepare()
        columns, target = self._statements.columns(spec.target_columns), self._statements.ident("stg", staging.name)
        feed = Feed(spec, batches)
        with feed.own_errors_first(), self._server.transaction(spec.name) as session:
            session.execute("staging/drop", staging=target)
            session.execute("staging/create", staging=target, columns=columns)
            rows = session.ingest(staging.name, feed.reader(), schema="stg")
        self._staged[staging.name] = rows
        return rows

    def apply(self, request: ApplyRequest) -> Outcome:
        self.prepare()
        with self._writing(request.spec.name) as session:
            outcome = PostgresApply(session, request, self._now(), self._staged.get(request.staging.name)).run()
        self._staged.pop(request.staging.name, None)
        if request.mode == "full":
            self.describe_or_warn(request.spec)
        return outcome

    def take_over(self, transfer: Transfer) -> None:
        self.prepare()
        merging.refuse_what_does_not_fit(transfer.spec, self.capabilities, self.name)
        with self._writing(transfer.spec.name) as session:
            postgresql_move.take_over(session, transfer, self._now(), self._staged)
        for staging in transfer.staged.values():
            self._staged.pop(staging.name, None)

    def absent(self, spec: TableSpec, staging: StagingTable) -> Absent:
        self.prepare()
        places = {"target": self._statements.ident("ods", spec.name), "staging": self._statements.ident("stg", staging.name)}
        keys = Fragment("".join(f"o.{types.quote(name)}, " for name in spec.key_targets))
        with self._writing(spec.name) as session:
            Tables(session, spec).evolve_current()
            merging.refuse_lost_rows(spec, self._staged.get(staging.name), session.number("ods/count", target=places["staging"]))
            live = session.number("ods/live", target=places["target"])
            found = session.table("ods/absent", {"seq": staging.seq}, keys=keys, **places)
        return Absent(live=live, keys=found)

    def recheck_keys(self, spec: TableSpec) -> pa.Table:
        self.prepare()
        with self._writing(spec.name) as session:
            recheck, keys = Tables(session, spec).recheck()
            return session.table("staging/recheck_keys", recheck=recheck, keys=keys)

    def purge(self, spec: TableSpec, before: dt.datetime) -> int:
        self.prepare()
        with self._writing(spec.name) as session:
            return session.execute("ods/purge", {"before": before}, target=self._statements.ident("ods", spec.name))

    def drop_staging(self, table: str) -> int:
        self.prepare()
        with self._writing(table) as session:
            return self._drop_left_over(session, table)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> QueryResult:
        found = self.arrow(sql, parameters)
        numbers = [types.is_number_as_text(field) for field in found.schema]
        rows = list(zip(*(column.to_pylist() for column in found.columns), strict=True))
        if any(numbers):
            rows = [tuple(Decimal(v) if n and v is not None else v for n, v in zip(numbers, row, strict=True)) for row in rows]
        return QueryResult(tuple(found.column_names), rows)

    def arrow(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        text, bare = _statement(sql)
        by_copy = bool(_BY_COPY.match(bare)) and ";" not in text and text == bare
        with self._server.transaction(reading=True, explained=refused_query) as session:
            return session.read(text, parameters, copy=by_copy)

    def batches(self, sql: str, batch_rows: int) -> Generator[pa.RecordBatch]:
        text, _ = _statement(sql)
        with (
            self._server.transaction(reading=True, explained=refused_query) as session,
            closing(session.stream(text)) as found,  # left early, the stream is closed before its connection
        ):
            for batch in found:
                for start in range(0, batch.num_rows, batch_rows):
                    yield batch.slice(start, batch_rows)

    def close(self) -> None:
        self._server.close()

    def advice(self) -> tuple[str, ...]:
        with self._server.transaction(reading=True) as session:
            _, number, version, autovacuum = session.rows("session/server")[0]
        told = []
        if number < OLDEST:
            told.append(f"PostgreSQL {version} is older than what is tested ({OLDEST // 10_000}): upgrade the server")
        if not autovacuum:
            told.append("autovacuum is off: the old versions of changed rows stay; switch it on")
        return tuple(told)

    def start_over(self) -> None:
        with self._server.transaction() as session:
            is_there, is_ours = session.rows("demo/owner")[0]
            if is_there and not is_ours:
                raise ConfigurationError(
                    "The database of CBM_WAREHOUSE__CONNECTION_STRING holds schemas stg or ods already; the demo empties what it finds.",
                    remedy="give the demo a database of its own, or unset the variable: it then makes one on the twin's server",
                )
            session.execute("demo/drop")
        self._prepared = False
        self.prepare()
        with self._server.transaction() as session:
            session.execute("demo/mark")

    def _run_steps(self, steps: Sequence[Step]) -> None:
        with self._server.transaction() as session:
            for step in steps:
                session.execute(step.name, None, **step.values)

    # -- inside -------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, table: str) -> Generator[Session]:
        """A transaction under the table's lock. Raises: TransientWarehouseError when another session keeps it."""
        with self._server.transaction(table) as session:
            session.rows("session/lock_table", {"table": table})
            yield session

    def _drop_left_over(self, session: Session, table: str) -> int:
        found = session.rows("staging/left_over", {"pattern": f"^{re.escape(table)}__[0-9]+$"})
        for (name,) in found:
            session.execute("staging/drop", staging=self._statements.ident("stg", str(name)))
            self._staged.pop(str(name), None)
        return len(found)


def _statement(sql: str) -> tuple[str, str]:
    """The statement without its last semicolon, and without comments. Raises: WarehouseError when there is none."""
    bare = _COMMENT.sub("", sql).strip().rstrip(";")
    if not bare:
        raise WarehouseError("There is no statement in the query.", remedy="for instance SELECT * FROM ods.client")
    return sql.strip().rstrip(";"), bare
