"""What the pipeline needs from the control database: the run log, the table locks, the watermark mirror.

The implementation is `control.store.ControlStore` (SQLAlchemy; SQLite in WAL mode by default).
"""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from cbm_etl_assets.metadata.spec import TableSpec


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

    def add_metrics(self, run_id: str, table: str, values: dict[str, float]) -> None: ...

    def set_watermark(self, table: str, watermark: dt.datetime | None, seq: int, run_id: str) -> None: ...

    def lock(self, table: str, owner: str, *, wait_seconds: float, ttl_seconds: float) -> AbstractContextManager[TableLock]:
        """Raises: BusyError naming the owner and since when. Renewed by a thread while held."""
        ...

    def project_specs(self, specs: list[TableSpec]) -> None:
        """Write config.ETL_Tables, config.ETL_Columns and config.ETL_Dependencies."""
        ...

    def query(self, sql: str, parameters: dict[str, object] | None = None) -> list[dict[str, object]]: ...

    def close(self) -> None: ...
