"""ControlStore: control/port.py on SQLite (default) or on any SQLAlchemy URL that has migrations.

Owns the choice of the database and the clock. The work is in runlog, locks, projection and migrate.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from cbm_etl_assets.control import breakers, certificates, drift, projection, quality, quarantine, retention, runlog, slo
from cbm_etl_assets.control.alerts import AlertStore
from cbm_etl_assets.control.database import Database
from cbm_etl_assets.control.locks import HeldLock, LockClock, hold
from cbm_etl_assets.control.migrate import upgrade
from cbm_etl_assets.control.port import CertificateRow, DriftRow, LogEnd, LogStart, PastLoad, QualityRow, QuarantineEntry
from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.reliability.breaker import Breaker
from cbm_etl_assets.settings import Settings

_SQLITE_URL = "sqlite:///"


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class ControlStore:
    """Opens nothing until used; the first use migrates the schema. Safe to share between threads.

    Stamps in results are naive: UTC in columns ...Utc and LogTs, the source's wall clock in WatermarkTs and HighWaterTs.
    """

    def __init__(self, settings: Settings, now: Callable[[], dt.datetime] = utc_now) -> None:
        self._settings = settings
        self._now = now
        self._clock = LockClock(now)
        self._guard = threading.Lock()
        self._database: Database | None = None

    def upgrade(self) -> None:
        self._ready()

    def start_log(self, entry: LogStart) -> int:
        return runlog.start_log(self._ready(), entry, self._now())

    def end_log(self, log_id: int, end: LogEnd) -> None:
        runlog.end_log(self._ready(), log_id, end)

    def reap_runs(self) -> int:
        return runlog.reap(self._ready(), self._now())

    def add_metrics(self, run_id: str, table: str, values: dict[str, float]) -> None:
        runlog.add_metrics(self._ready(), run_id, table, values, self._now())

    def set_watermark(self, table: str, watermark: dt.datetime | None, seq: int, run_id: str) -> None:
        runlog.set_watermark(self._ready(), {"table_name": table, "watermark": watermark, "seq": seq, "run_id": run_id}, self._now)

    def lock(self, table: str, owner: str, *, wait_seconds: float, ttl_seconds: float) -> AbstractContextManager[HeldLock]:
        return hold(self._ready(), self._clock, table, owner, wait_seconds=wait_seconds, ttl_seconds=ttl_seconds)

    def quarantine_add(self, table: str, rows: Sequence[BadRow], *, run_id: str, seq: int) -> None:
        quarantine.add(self._ready(), table, rows, run_id=run_id, seq=seq, now=self._now())

    def quarantine_heal(self, table: str, seq: int, key_hashes: Sequence[str] | None = None) -> None:
        quarantine.heal(self._ready(), table, seq, self._now(), key_hashes)

    def quarantine_drop(self, table: str, ids: Sequence[int]) -> int:
        return quarantine.drop(self._ready(), table, ids)

    def quarantine_entries(self, table: str | None = None) -> list[QuarantineEntry]:
        return quarantine.read(self._ready(), table)

    def record_drift(self, table: str, found: Sequence[DriftRow], *, run_id: str) -> list[DriftRow]:
        return drift.record(self._ready(), table, found, run_id=run_id, now=self._now())

    def drift_rows(self, table: str) -> list[DriftRow]:
        return drift.read(self._ready(), table)

    def breakers(self) -> Mapping[str, Breaker]:
        return breakers.read(self._ready())

    def change_breaker(self, resource: str, transition: Callable[[Breaker], Breaker | None]) -> Breaker | None:
        return breakers.change(self._ready(), resource, transition, self._now())

    def add_certificate(self, row: CertificateRow) -> None:
        certificates.add_certificate(self._ready(), row)

    def add_quality(self, rows: Sequence[QualityRow]) -> None:
        quality.add(self._ready(), rows, self._now())

    def past_loads(self, table: str, mode: str, since: dt.datetime) -> list[PastLoad]:
        return quality.past_loads(self._ready(), table, mode, since)

    def prune(self, before: dt.datetime) -> dict[str, int]:
        return retention.prune(self._ready(), before)

    def record_slo(self, rows: Sequence[slo.SloRow]) -> list[slo.SloRow]:
        return slo.record(self._ready(), rows, self._now())

    def slo_promises(self, wanted: Mapping[str, tuple[str, str]]) -> dict[str, slo.Promise]:
        return slo.promises(self._ready(), wanted, self._now())

    def project_specs(self, specs: list[TableSpec]) -> None:
        """`specs` is the whole catalogue: tables that are not in it leave the projections."""
        projection.project(self._ready(), specs, self._settings.load.sla_hours)

    def query(self, sql: str, parameters: dict[str, object] | None = None) -> list[dict[str, object]]:
        """Read-only; parameters are written `:name`. Raises: ControlError, also on a statement that would write."""
        return self._ready().read(sql, parameters)

    def alerts(self) -> AlertStore:
        return AlertStore(self._ready(), self._now)

    def close(self) -> None:
        with self._guard:
            database, self._database = self._database, None
        if database is not None:
            database.close()

    def _ready(self) -> Database:
        with self._guard:
            if self._database is None:
                database = open_database(self._settings)
                try:
                    upgrade(database, self._now, allowed=self._settings.control.auto_upgrade)
                except BaseException:
                    database.close()
                    raise
                self._database = database
            return self._database


def open_database(settings: Settings) -> Database:
    """SQLite under CBM_HOME/control by default; `sqlite:///folder` names another folder; any other URL is SQLAlchemy's."""
    from cbm_etl_assets.control.sqlite import SqliteDatabase

    url = settings.control.url.get_secret_value() if settings.control.url else ""
    if not url:
        return SqliteDatabase(settings.control_dir)
    if url.startswith("sqlite"):
        return SqliteDatabase(_folder(url))
    from cbm_etl_assets.control.alchemy import AlchemyDatabase

    return AlchemyDatabase(url)


def _folder(url: str) -> Path:
    folder = Path(url.removeprefix(_SQLITE_URL))
    if not url.startswith(_SQLITE_URL) or not folder.name or folder.is_file():
        raise ConfigurationError(
            f"CBM_CONTROL__URL '{url}' must name a folder: the control database is two files, etl.db and config.db, in it.",
            remedy="write sqlite:///path/of/a/folder, or leave it unset for CBM_HOME/control",
        )
    return folder
