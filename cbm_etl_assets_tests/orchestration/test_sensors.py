"""The sensors of alerting on a real instance: they translate, survive a restart, and tell nothing twice."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.orchestration.build import build_defs
from cbm_etl_assets.orchestration.sensors import Pace
from cbm_etl_assets.pipeline.watch import Watchman
from cbm_etl_assets.settings import Settings
from cbm_etl_assets_tests.alert_fixture import CANARY, LENIENT, Answer, WebhookServer, alerts, webhook
from cbm_etl_assets_tests.orchestration.helpers import catalog, settings_in, spec

TABLES = catalog(spec("client"), spec("stock", depends_on=["client"]))
DAY = dt.timedelta(days=1)


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook() as played:
        yield played


@pytest.fixture
def watched(tmp_path: Path, server: WebhookServer) -> Settings:
    return settings_in(tmp_path / "home", alerts=alerts(server.url), slo=LENIENT)


def sensor(name: str, settings: Settings) -> dg.SensorDefinition:
    return build_defs(TABLES, settings).resolve_sensor_def(name)


def tick(name: str, settings: Settings, instance: dg.DagsterInstance, **context: object) -> tuple[str, str | None]:
    """(what it said, its cursor), with definitions of its own as after a restart of the daemon."""
    with dg.build_sensor_context(instance=instance, **context) as built:  # type: ignore[arg-type]
        data = sensor(name, settings).evaluate_tick(built)
    return data.skip_message or "", data.cursor


def fail(settings: Settings, table: str, run_id: str = "r1", status: str = "failed") -> None:
    control, now = ControlStore(settings), dt.datetime.now(dt.UTC)
    end = LogEnd(status, now, error_class="SourceError" if status == "failed" else "", error_message="refused")
    control.end_log(control.start_log(LogStart(run_id, table, "full", "", now)), end)
    control.close()


def told(settings: Settings) -> list[tuple[str, str, str]]:
    control = ControlStore(settings)
    rows = control.query("SELECT EventName, AlertKey, State FROM etl.Alert_Log ORDER BY AlertLogId")
    control.close()
    return [(str(r["EventName"]), str(r["AlertKey"]), str(r["State"])) for r in rows]


def test_they_are_on_by_default_and_unhurried(watched: Settings) -> None:
    for name in ("alert_watch", "alert_freshness", "alert_run_failure"):
        found = sensor(name, watched)
        assert found.default_status is dg.DefaultSensorStatus.RUNNING
        assert (found.minimum_interval_seconds or 0) >= 30


def test_the_watch_tells_a_failure_once_across_restarts(watched: Settings, server: WebhookServer, instance: dg.DagsterInstance) -> None:
    fail(watched, "client")
    assert tick("alert_watch", watched, instance)[0] == "1 new messages, 1 sent."
    assert tick("alert_watch", watched, instance)[0] == "0 new messages, 0 sent."
    server.script = [Answer(500)]
    fail(watched, "client", "r2", "success")
    said, _ = tick("alert_watch", watched, instance)
    assert said == "1 new messages, 0 sent. Waiting: teams-1: HTTP 500 from 127.0.0.1"
    assert told(watched) == [("opened", "load:client", "sent"), ("recovered", "load:client", "pending")]


def test_dear_objectives_are_looked_at_every_fifth_minute_and_cheap_ones_each_time() -> None:
    now, cost, asked = [0.0], [0.1], list[bool]()

    class Played:
        def watch(self, *, objectives: bool = True) -> None:
            asked.append(objectives)
            now[0] += cost[0] if objectives else 0.01

    pace = Pace(lambda: now[0])
    for seconds in (0, 60, 60):
        now[0] += seconds
        pace.watch(cast("Watchman", Played()))
    cost[0] = 2.0
    for _ in range(7):
        now[0] += 60
        pace.watch(cast("Watchman", Played()))
    assert asked == [True, True, True, True, False, False, False, False, True, False]


def report(instance: dg.DagsterInstance, key: str, state: FreshnessState) -> None:
    change = FreshnessStateChange(
        key=dg.AssetKey(key.split("/")), previous_state=FreshnessState.UNKNOWN, new_state=state, state_change_timestamp=1_800_000_000.0
    )
    instance._report_runless_asset_event(change)


def test_a_stale_asset_of_a_user_is_told_and_a_table_is_not(watched: Settings, instance: dg.DagsterInstance) -> None:
    @dg.asset(freshness_policy=dg.FreshnessPolicy.time_window(fail_window=DAY))
    def turnover() -> None:
        """A user's asset downstream."""

    mine = dg.Definitions.merge(build_defs(TABLES, watched), dg.Definitions([turnover]))

    def look(cursor: str | None) -> tuple[str, str | None]:
        with dg.build_sensor_context(instance=instance, repository_def=mine.get_repository_def(), cursor=cursor) as context:
            data = mine.resolve_sensor_def("alert_freshness").evaluate_tick(context)
        return data.skip_message or "", data.cursor

    assert look(None)[0] == "No state has changed."
    report(instance, "turnover", FreshnessState.FAIL)
    report(instance, "ods/client", FreshnessState.FAIL)
    said, cursor = look(None)
    assert said == "1 assets have a state."
    assert look(cursor)[0] == "No state has changed."
    assert tick("alert_watch", watched, instance)[0] == "0 new messages, 1 sent.", "the journal's look closes no alert of Dagster's"
    report(instance, "turnover", FreshnessState.PASS)
    look(cursor)
    assert [(event, key) for event, key, _ in told(watched)] == [("opened", "asset:turnover"), ("recovered", "asset:turnover")]


@pytest.mark.parametrize(("status", "expected"), [(None, 1), ("success", 1), ("failed", 0)])
def test_a_run_that_never_reached_the_journal_is_told(
    watched: Settings, instance: dg.DagsterInstance, status: str | None, expected: int
) -> None:
    @dg.op
    def crash() -> None:
        raise ValueError(f"code server gone, sig={CANARY}")

    @dg.job
    def nightly() -> None:
        crash()

    result = nightly.execute_in_process(instance=instance, raise_on_error=False)
    if status:
        fail(watched, "client", result.run_id, status)
    event = result.get_run_failure_event()
    failed = sensor("alert_run_failure", watched)
    assert isinstance(failed, dg.RunStatusSensorDefinition)
    for _ in range(2):
        context = dg.build_run_status_sensor_context("alert_run_failure", event, instance, result.dagster_run).for_run_failure()
        failed(context)
    found = [key for _, key, _ in told(watched)]
    assert found == [f"dagster_run:{result.run_id}"] * expected
    assert CANARY not in str(told(watched))


def test_a_control_database_that_is_gone_fails_the_tick_in_words(watched: Settings, instance: dg.DagsterInstance) -> None:
    watched.control_dir.mkdir(parents=True)
    (watched.control_dir / "etl.db").write_bytes(b"no database" * 1000)
    with pytest.raises(dg.Failure, match="Control database"):
        tick("alert_watch", watched, instance)
