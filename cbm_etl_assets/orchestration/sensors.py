"""Sensors of alerting, ON by default. They only translate: what holds is in the journal, who was told is in the control database.

So a daemon that restarts, or a tick that runs twice, tells nothing twice.
"""

import datetime as dt
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from cbm_etl_assets.alerting.events import Announcement, Condition, Event, Facts, Kind, Severity
from cbm_etl_assets.alerting.policy import Seen
from cbm_etl_assets.control.alert_port import AlertChanges
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.failures import redact
from cbm_etl_assets.orchestration.names import LAYERS
from cbm_etl_assets.pipeline.watch import Watchman
from cbm_etl_assets.settings import Settings

INTERVAL_SECONDS = 60
GIVE_UP_SECONDS = 10.0  # a request gives up by itself after 8 s without a byte
DEAR_SECONDS, OBJECTIVES_SECONDS = 1.0, 300.0
STALE = {"FAIL": Severity.ERROR, "WARN": Severity.WARNING}


def alert_sensors(catalog: Mapping[str, TableSpec], settings: Settings) -> list[dg.SensorDefinition]:
    return [_watch_sensor(catalog, settings), _freshness_sensor(catalog, settings), _run_failure_sensor(catalog, settings)]


@contextmanager
def _watchman(catalog: Mapping[str, TableSpec], settings: Settings) -> Iterator[Watchman]:
    """Opened for one tick: the code server may live for weeks, the control database move meanwhile."""
    control = ControlStore(settings)
    failure = ""
    try:
        yield Watchman(control, catalog, settings)
    except CbmError as error:
        failure = redact(str(error), settings)
    finally:
        control.close()
    if failure:
        raise dg.Failure(failure)


@dataclass
class Pace:
    """Objectives look over a month of the journal: 2 s of 100,000 loads. Where that is so, every fifth tick does."""

    monotonic: Callable[[], float] = time.monotonic
    measured_at: float = float("-inf")
    took: float = 0.0

    def watch(self, watchman: Watchman) -> AlertChanges:
        begun = self.monotonic()
        is_due = self.took < DEAR_SECONDS or begun - self.measured_at >= OBJECTIVES_SECONDS
        changes = watchman.watch(objectives=is_due)
        if is_due:
            self.measured_at, self.took = begun, self.monotonic() - begun
        return changes


def _watch_sensor(catalog: Mapping[str, TableSpec], settings: Settings) -> dg.SensorDefinition:
    pace = Pace()

    @dg.sensor(
        name="alert_watch", minimum_interval_seconds=INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING,
        description="Compares the journal with the alerts that are open, and delivers what is in the outbox.",
    )  # fmt: skip
    def alert_watch(_context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with _watchman(catalog, settings) as watchman:
            changes = pace.watch(watchman)
            delivered = watchman.drain()
            delivered.wait(GIVE_UP_SECONDS)
        waiting = "; ".join(f"{route}: {why}" for route, why in {**delivered.kept, **delivered.refused}.items())
        told = f"{len(changes.messages)} new messages, {sum(delivered.sent.values())} sent"
        return dg.SkipReason(f"{told}. Waiting: {waiting}" if waiting else f"{told}.")

    return alert_watch


def _freshness_sensor(catalog: Mapping[str, TableSpec], settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="alert_freshness", minimum_interval_seconds=INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells when Dagster finds a mart or an asset of yours out of date; tables are judged by their own loads.",
    )  # fmt: skip
    def alert_freshness(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        repository = context.repository_def
        keys = [key for key in repository.asset_graph.get_all_asset_keys() if not is_ours(key, catalog)] if repository else []
        records = context.instance.get_freshness_state_records(keys)
        states = {key.to_user_string(): (str(record.freshness_state.value), record.updated_at) for key, record in records.items()}
        cursor = json.dumps({name: f"{state} {at.isoformat()}" for name, (state, at) in sorted(states.items())})
        if cursor == (context.cursor or "{}"):
            return dg.SkipReason("No state has changed.")
        with _watchman(catalog, settings) as watchman:
            watchman.tell(Seen(tuple(stale_assets(states)), looked_at=frozenset({Kind.ASSET_FRESHNESS})))
        context.update_cursor(cursor)
        return dg.SkipReason(f"{len(states)} assets have a state.")

    return alert_freshness


def is_ours(key: dg.AssetKey, catalog: Mapping[str, TableSpec]) -> bool:
    """A layer of a table: Dagster turns it fresh with a backfill of an old partition, so its own loads are asked instead."""
    return len(key.path) == 2 and key.path[0] in LAYERS and key.path[1] in catalog


def stale_assets(states: Mapping[str, tuple[str, dt.datetime]]) -> Iterable[Condition]:
    for name, (state, at) in states.items():
        if state in STALE:
            since = at.astimezone(dt.UTC).replace(tzinfo=None)
            yield Condition(f"asset:{name}", Kind.ASSET_FRESHNESS, STALE[state], since, facts=Facts(subject=name))


def _run_failure_sensor(catalog: Mapping[str, TableSpec], settings: Settings) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="alert_run_failure", minimum_interval_seconds=INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of runs that failed before the journal knew them, such as a crash of the code server.",
    )  # fmt: skip
    def alert_run_failure(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        with _watchman(catalog, settings) as watchman:
            statuses = {row["Status"] for row in watchman.control.query(statement("watch_run"), {"run_id": run.run_id})}
            if not statuses & {"failed", "started"}:  # those two are the journal's to tell
                message = redact(context.failure_event.message or "", settings)
                facts = Facts(detail=message, run_id=run.run_id, subject=run.job_name)
                at = watchman.naive()
                told = Announcement(f"dagster_run:{run.run_id}", Event.OPENED, Kind.DAGSTER_RUN, Severity.ERROR, at, facts=facts)
                watchman.tell(Seen((), (told,)))

    return alert_run_failure
