"""What the pipeline needs from a warehouse: one Protocol, its capabilities and the plain data that crosses it.

Dialects live in `warehouse.dialects` and are reached through `warehouse.registry` only. SQL lives in `sql/<dialect>/`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Unstorable

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Capabilities:
    """Differences are data; the reason stands beside odd values in the dialect."""

    max_identifier_chars: int  # bytes of UTF-8 where the warehouse counts those; target names are ASCII, so it is the same
    max_decimal_precision: int
    max_columns: int  # of one table, technical columns included
    single_writer_process: bool
    unstorable: frozenset[Unstorable] = frozenset()  # values the reader sends to the quarantine instead


@dataclass(frozen=True)
class TableState:
    """The row of `stg._cbm_state`: committed in the transaction of the data it speaks of."""

    table: str
    last_issued_seq: int = 0
    last_applied_seq: int = 0
    last_full_seq: int = 0
    watermark: dt.datetime | None = None
    fencing_token: int = 0
    hash_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class StagingTable:
    """One load's rows in `stg`. `name` is unique per table and partition scope, so two loads never share one."""

    table: str
    name: str
    seq: int


@dataclass(frozen=True)
class ApplyRequest:
    """One merge. `t0` naive source time. `watermark` None = leave it alone (partition loads).

    `deletions` holds a column `_key_hash`: keys confirmed gone from the source, to be tombstoned. Mode `sweep` stages keys
    only: nothing is merged, only deletions count. Keys delivered with a cursor >= `recheck_since` are remembered: a dirty
    read may have shown them, so the next load reads them again by key. `force`: compare with the values ODS holds, not with the
    stored hash beside them, after taking out rows filed under a key that is not theirs (`misfiled`: target columns of the key,
    `_key_hash` as stored) and repeats of a key.
    """

    spec: TableSpec
    staging: StagingTable
    mode: str
    seq: int
    fencing_token: int
    run_id: str
    t0: dt.datetime
    watermark: dt.datetime | None = None
    hash_version: int = 1
    hash_columns: tuple[str, ...] = ()
    deletions: pa.Table | None = None
    recheck_since: dt.datetime | None = None
    force: bool = False
    misfiled: pa.Table | None = None


@dataclass(frozen=True)
class Absent:
    """Live rows of ODS that a load did not deliver. `keys`: the key's target columns (none without a key), `_key_hash`."""

    live: int
    keys: pa.Table


@dataclass(frozen=True)
class Outcome:
    """Invariant 7: read == sum of the others (deleted rows are not read, so they stand apart)."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    superseded: int = 0
    resurrected: int = 0
    deduplicated: int = 0
    quarantined: int = 0
    filtered: int = 0
    deleted: int = 0

    @property
    def accounted(self) -> int:
        return (
            self.inserted + self.updated + self.unchanged + self.superseded + self.resurrected
            + self.deduplicated + self.quarantined + self.filtered
        )  # fmt: skip


@dataclass(frozen=True)
class QueryResult:
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]] = field(default_factory=list)


class Warehouse(Protocol):
    name: str
    capabilities: Capabilities

    def prepare(self) -> None:
        """Create the database and its schemas when absent (crash-safe); refuse a damaged one."""
        ...

    def acquire(self, table: str) -> TableState:
        """Issue the next seq and a new fencing token for the table, committed before reading starts.

        Staging tables an earlier, killed load left behind are dropped: the caller holds the table's lock.
        """
        ...

    def state(self, table: str) -> TableState: ...

    def load_staging(self, spec: TableSpec, staging: StagingTable, batches: Iterable[pa.RecordBatch]) -> int:
        """Replace the staging table by these rows (ODS-bound columns, `_key_hash`, `_hashdiff`). Returns rows written."""
        ...

    def absent(self, spec: TableSpec, staging: StagingTable) -> Absent:
        """Live ODS rows the staged load does not hold and no later load wrote: candidates for deletion."""
        ...

    def recheck_keys(self, spec: TableSpec) -> pa.Table:
        """Keys the last load remembered: the key's target columns and `_key_hash`."""
        ...

    def purge(self, spec: TableSpec, before: dt.datetime) -> int:
        """Remove rows tombstoned before that UTC instant; history keeps them. Returns how many."""
        ...

    def apply(self, request: ApplyRequest) -> Outcome:
        """The merge, in one transaction with the state row and the drop of the staging table."""
        ...

    def drop_staging(self, table: str) -> int:
        """Drop every staging table left by earlier loads of that table. Returns how many."""
        ...

    def columns(self, table: str) -> dict[str, str]:
        """Column -> type as the warehouse spells it, of `ods.<table>`, in order; empty when the table is not there."""
        ...

    def schema(self, table: str, columns: Sequence[str]) -> pa.Schema:
        """Arrow types of `live`. Raises: WarehouseError when the table or a column is not there."""
        ...

    def live(self, table: str, columns: Sequence[str], batch_rows: int) -> Generator[pa.RecordBatch]:
        """These columns and `_key_hash` of the live rows of `ods.<table>`, from one snapshot, `batch_rows` at most at a time.

        Decimals come as decimals, aware instants in UTC. Close it when you stop early. Raises: WarehouseError.
        """
        ...

    def versions(self, spec: TableSpec, key_hash: bytes) -> QueryResult:
        """The rows of one key, oldest first: target columns, `_hashdiff`, `_load_seq`, `_extracted_at`, `_run_id`, then
        `_valid_from`, `_valid_to` (of the history table, where the spec keeps one), else `_is_deleted`, `_deleted_at`."""
        ...

    def as_of(self, spec: TableSpec, moment: dt.datetime) -> QueryResult:
        """Target columns of the versions valid at that naive source time, in the order of the key. Needs a history table."""
        ...

    def left_over(self) -> list[str]:
        """Names of all staging tables that exist: none but those of loads under way."""
        ...

    def query(self, sql: str, parameters: Sequence[object] = ()) -> QueryResult:
        """Read-only, a person's own statement in the warehouse's SQL and placeholders. Raises: WarehouseError on anything that
        would write. The platform's own questions are the methods above."""
        ...

    def arrow(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table: ...

    def batches(self, sql: str, batch_rows: int) -> Generator[pa.RecordBatch]:
        """The rows of one read-only statement, `batch_rows` at a time: one snapshot, bounded memory. Close it when you stop early."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Advises(Protocol):
    """A warehouse on a server whose set-up matters."""

    def advice(self) -> tuple[str, ...]:
        """What the set-up lacks, in words, each with its remedy; the preflight warns of it."""
        ...


@runtime_checkable
class Disposable(Protocol):
    """A warehouse on a server that a demo may empty."""

    def start_over(self) -> None:
        """Drop what an earlier demo left and make the schemas anew. Raises: ConfigurationError where anybody else's data stand."""
        ...


class Part(StrEnum):
    """What one table is made of in a warehouse, beside its row of `stg._cbm_state`."""

    CURRENT = "current"  # ods.<table>
    HISTORY = "history"  # ods.<table>_history
    RECHECK = "recheck"  # the keys the next load reads again


@dataclass(frozen=True)
class Transfer:
    """One table of another warehouse, staged here as `warehouse.moving` lays it out.

    `spec`: its columns as the other one stores them (`moving.stored_spec`); `state`: as it stood there. A part that is not
    staged is not there either.
    """

    spec: TableSpec
    state: TableState
    fencing_token: int
    staged: Mapping[Part, StagingTable]


@runtime_checkable
class Movable(Protocol):
    """A warehouse whose tables can move to another, and take another's in."""

    def rows(self, table: str, columns: Sequence[str], batch_rows: int) -> Generator[pa.RecordBatch]:
        """These columns of every row of `ods.<table>`, tombstones too, as `live` gives them."""
        ...

    def take_over(self, transfer: Transfer) -> None:
        """Put the staged parts in the place of what stands here, every technical column unchanged, in one transaction with the state.

        Raises: LostLockError, WarehouseError.
        """
        ...


@runtime_checkable
class StagesFiles(Protocol):
    """A warehouse that can read raw Parquet where it lies, so that staging costs no copy. Others stage batches."""

    def stage_files(self, spec: TableSpec, staging: StagingTable, files: Sequence[tuple[Path, int]]) -> int | None:
        """Stage these verified files (path, rows) of a table that is only renamed, as `load_staging` would stage their batches.

        They stay in place until `apply`. Returns: rows staged; None when these files need `load_staging`.
        """
        ...
