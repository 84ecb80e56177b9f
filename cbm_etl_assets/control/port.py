"""What the pipeline needs from the control database: the run log, the table locks, the watermark mirror.

The implementation is `control.store.ControlStore` (SQLAlchemy; SQLite in WAL mode by default).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from cbm_etl_assets.control.alert_port import Alerts
from cbm_etl_assets.control.slo import Promise, SloRow
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.reliability.breaker import Breaker


@dataclass(frozen=True)
class LogStart:
    run_id: str
    table: str
    mode: str
    partition: str
    started_at_utc: dt.datetime
    layer: str = "ods"


@dataclass(frozen=True)
class LogEnd:
    """`status` is success|failed|busy|skipped. Seconds per stage; rows by outcome (names of warehouse.port.Outcome).

    `mode` is the mode that `auto` came to, empty = the one of LogStart.
    """

    status: str
    ended_at_utc: dt.datetime
    extract_seconds: float = 0
    transform_seconds: float = 0
    load_seconds: float = 0
    merge_seconds: float = 0
    rows: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    attempts: int = 1
    error_class: str = ""
    error_message: str = ""
    high_water: dt.datetime | None = None
    seq: int = 0
    mode: str = ""


@dataclass(frozen=True)
class QuarantineEntry:
    """`state` is open|healed|dropped. Stamps are naive UTC."""

    id: int
    table: str
    row: BadRow
    run_id: str
    seq: int
    first_seen_utc: dt.datetime
    last_seen_utc: dt.datetime
    state: str


@dataclass(frozen=True)
class CertificateRow:
    """One row of etl.Certificate. `verified_through` is the source's wall clock; `columns` and `keys` are JSON."""

    run_id: str
    table_name: str
    status: str
    started: dt.datetime
    ended: dt.datetime
    verified_through: dt.datetime | None
    seq: int
    rows_source: int
    rows_ods: int
    missing: int
    extra: int
    different: int
    pending: int
    quarantined: int
    keys_source: str
    keys_ods: str
    content_source: str
    content_ods: str
    buckets_different: int
    columns: str
    keys: str


@dataclass(frozen=True)
class DriftRow:
    """A change of the source's schema. `consequence`: loaded, kept, reported, ignored or stopped. `id` 0 = not written yet."""

    kind: str
    change_class: str
    column: str
    before: str
    after: str
    note: str
    consequence: str
    id: int = 0
    run_id: str = ""
    found_utc: dt.datetime | None = None
    resolved_utc: dt.datetime | None = None

    @property
    def change(self) -> tuple[str, str, str, str, str]:
        """What makes two rows the same change."""
        return (self.kind, self.column, self.before[:200], self.after[:200], self.consequence)


@dataclass(frozen=True)
class QualityRow:
    """One row of etl.DataQuality_Log: a rule in a load. `layer` source|stg|ods, `severity` WARN|ERROR,
    `verdict` VALID|WARNING|FAILED|SKIPPED, `sample_keys` JSON with masked columns masked."""

    run_id: str
    table_name: str
    seq: int
    layer: str
    partition_key: str
    rule_name: str
    rule_kind: str
    column_name: str
    rule_text: str
    severity: str
    blocking: bool
    verdict: str
    rows_checked: int
    rows_failed: int
    percent_failed: float
    sample_keys: str
    seconds: float
    message: str


@dataclass(frozen=True)
class PastLoad:
    """A successful load of the log, for the volume rule. `started_utc` is naive."""

    started_utc: dt.datetime
    rows_read: int


class TableLock(Protocol):
    """A held lock. `lost` turns True once another owner took it over (its renewals stopped)."""

    owner: str

    @property
    def lost(self) -> bool: ...


class Control(Protocol):
    def upgrade(self) -> None:
        """Create or migrate the schema; idempotent, safe with several processes starting at once."""
        ...

    def start_log(self, entry: LogStart) -> int:
        """Insert the STARTED row. Returns its id. An older STARTED row of the same table is closed as failed (orphan)."""
        ...

    def end_log(self, log_id: int, end: LogEnd) -> None: ...

    def reap_runs(self) -> int:
        """Close STARTED rows of killed runs as failed: at once where their process is known dead, else after minutes
        without a lock. Returns how many. What runs stays as it is."""
        ...

    def add_metrics(self, run_id: str, table: str, values: dict[str, float]) -> None: ...

    def set_watermark(self, table: str, watermark: dt.datetime | None, seq: int, run_id: str) -> None: ...

    def lock(self, table: str, owner: str, *, wait_seconds: float, ttl_seconds: float) -> AbstractContextManager[TableLock]:
        """Raises: BusyError naming the owner and since when. Renewed by a thread while held."""
        ...

    def quarantine_add(self, table: str, rows: Sequence[BadRow], *, run_id: str, seq: int) -> None:
        """Open an entry a row, or see it again."""
        ...

    def quarantine_heal(self, table: str, seq: int, key_hashes: Sequence[str] | None = None) -> None:
        """Close the entries of these keys (None: of the whole table) that were last found bad before that seq."""
        ...

    def quarantine_drop(self, table: str, ids: Sequence[int]) -> int:
        """Stop retrying these open entries. Returns how many there were."""
        ...

    def quarantine_entries(self, table: str | None = None) -> list[QuarantineEntry]: ...

    def record_drift(self, table: str, found: Sequence[DriftRow], *, run_id: str) -> list[DriftRow]:
        """`found` is all that differs now: new rows are written once, those no longer so are closed. Returns the new ones."""
        ...

    def drift_rows(self, table: str) -> list[DriftRow]: ...

    def breakers(self) -> Mapping[str, Breaker]:
        """Those that ever saw a failure, by resource: one statement."""
        ...

    def change_breaker(self, resource: str, transition: Callable[[Breaker], Breaker | None]) -> Breaker | None:
        """The transition of the row as it is now, in a transaction; None where it declined."""
        ...

    def add_certificate(self, row: CertificateRow) -> None: ...

    def add_quality(self, rows: Sequence[QualityRow]) -> None:
        """Write what the rules of one load found."""
        ...

    def past_loads(self, table: str, mode: str, since: dt.datetime) -> list[PastLoad]:
        """Successful loads of that table and mode since a UTC instant, oldest first."""
        ...

    def prune(self, before: dt.datetime) -> dict[str, int]:
        """Remove rows of the journal older than that, by table; the last of each kind and what is open stay."""
        ...

    def record_slo(self, rows: Sequence[SloRow]) -> list[SloRow]:
        """Replace the evaluation in etl.SLO_Status. Returns the rows with the beginning of their state."""
        ...

    def slo_promises(self, wanted: Mapping[str, tuple[str, str]]) -> dict[str, Promise]:
        """Table -> (cron, timezone): since when each is declared, and with that schedule. Writes what changed."""
        ...

    def project_specs(self, specs: list[TableSpec]) -> None:
        """Write config.ETL_Tables, config.ETL_Columns and config.ETL_Dependencies."""
        ...

    def query(self, sql: str, parameters: dict[str, object] | None = None) -> list[dict[str, object]]: ...

    def alerts(self) -> Alerts:
        """The alerts that are open and the outbox."""
        ...

    def close(self) -> None: ...
