"""Dagster's event log grows without bound (300 MB a day at one user): old finished runs leave, with their events and files.

Owns what stays, because the UI is computed from events: the newest materialization of every asset and partition, the newest
result of every check, and every run that has not ended. Reaches into Dagster's tables (held by a test on a real instance):
its own `delete_run` would take the newest materializations too, and leaves SQLite's file of each run on the disk.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetEventTagsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

BATCH = 200  # runs a transaction: under a second on SQLite, so that a load's own events wait no longer
_ASSET_EVENTS = (dg.DagsterEventType.ASSET_MATERIALIZATION.value, dg.DagsterEventType.ASSET_OBSERVATION.value)


@dataclass(frozen=True)
class Pruned:
    runs: int = 0
    events: int = 0
    checks: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        return Pruned(self.runs + other.runs, self.events + other.events, self.checks + other.checks)


def prune_runs(instance: dg.DagsterInstance, before: dt.datetime) -> Pruned:
    """Remove the finished runs created before that instant. Killed in the middle, the next call goes on: the run goes last."""
    done = Pruned()
    old = dg.RunsFilter(statuses=list(FINISHED_STATUSES), created_before=before)
    while runs := [record.dagster_run.run_id for record in instance.get_run_records(filters=old, limit=BATCH, ascending=True)]:
        done += _prune(instance, runs)
    return done


def _prune(instance: dg.DagsterInstance, runs: Sequence[str]) -> Pruned:
    storage = instance.event_log_storage
    events = checks = 0
    if isinstance(storage, SqlEventLogStorage):
        with storage.index_transaction() as connection:
            events, checks = _prune_events(connection, runs), _prune_checks(connection, runs)
    for run_id in runs:
        if isinstance(storage, SqliteEventLogStorage):
            _remove_shard(storage, run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.run_storage.delete_run(run_id)
    return Pruned(len(runs), events, checks)


def _prune_events(connection: sa.Connection, runs: Sequence[str]) -> int:
    log = SqlEventLogStorageTable.c
    newest = (
        sa.select(sa.func.max(log.id)).where(log.dagster_event_type.in_(_ASSET_EVENTS)).group_by(log.asset_key, log.partition)
    ).scalar_subquery()  # fmt: skip
    old = sa.and_(log.run_id.in_(runs), log.id.not_in(newest))
    tags = AssetEventTagsTable.delete().where(AssetEventTagsTable.c.event_id.in_(sa.select(log.id).where(old)))
    connection.execute(tags)
    return connection.execute(SqlEventLogStorageTable.delete().where(old)).rowcount


def _prune_checks(connection: sa.Connection, runs: Sequence[str]) -> int:
    check = AssetCheckExecutionsTable.c
    newest = sa.select(sa.func.max(check.id)).group_by(check.asset_key, check.check_name, check.partition).scalar_subquery()
    return connection.execute(AssetCheckExecutionsTable.delete().where(check.run_id.in_(runs), check.id.not_in(newest))).rowcount


def _remove_shard(storage: SqliteEventLogStorage, run_id: str) -> None:
    """SQLite keeps a run's events in a file of its own; the index, pruned above, holds what must stay."""
    for suffix in ("", "-wal", "-shm"):
        Path(storage.path_for_shard(run_id) + suffix).unlink(missing_ok=True)
