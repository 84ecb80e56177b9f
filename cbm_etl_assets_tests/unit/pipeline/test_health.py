"""Health: every defect shows in its own check with a remedy, and a platform with nothing wrong is well."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cbm_etl_assets.control.port import CertificateRow, DriftRow, LogEnd, LogStart, QualityRow
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.pipeline.health import Health, Heartbeat, examine
from cbm_etl_assets.pipeline.health_html import render_html
from cbm_etl_assets.pipeline.preflight import Check, CheckStatus
from cbm_etl_assets.reliability.breaker import Breaker, BreakerState
from cbm_etl_assets.settings import ControlSettings, ObservabilitySettings, Settings
from cbm_etl_assets_tests.specs import make_spec

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
CATALOG = {name: make_spec(table=name, schedule={"cron": "0 2 * * *"}) for name in ("client", "stock")}
ALIVE = Heartbeat(NOW - dt.timedelta(seconds=20))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, observability=ObservabilitySettings(min_free_percent=0))


@pytest.fixture
def control(settings: Settings) -> Iterator[ControlStore]:
    store = ControlStore(settings, lambda: NOW)
    for table in CATALOG:
        load(store, table, 3)
    yield store
    store.close()


def load(control: ControlStore, table: str, hours: float, status: str = "success", error: str = "") -> None:
    at = NOW - hours * HOUR
    row = control.start_log(LogStart(f"{table}{hours}", table, "full", "", at))
    control.end_log(row, LogEnd(status, at + dt.timedelta(seconds=30), error_class=error))


def look(control: ControlStore, settings: Settings, heartbeat: Heartbeat = ALIVE) -> Health:
    return examine(control, CATALOG, settings, NOW, lambda: heartbeat)


def check(health: Health, name: str) -> Check:
    return next(c for c in health.checks if c.name == name)


def test_a_platform_with_nothing_wrong_is_well(control: ControlStore, settings: Settings) -> None:
    health = look(control, settings)
    assert health.is_well
    assert [c.name for c in health.of(CheckStatus.WARN)] == []
    assert check(health, "freshness").detail == "2 tables within their objective's alert"


class Heart(NamedTuple):
    heartbeat: Heartbeat
    status: CheckStatus
    well: bool


@pytest.mark.parametrize(
    "heart",
    [
        Heart(ALIVE, CheckStatus.OK, True),
        Heart(Heartbeat(NOW - dt.timedelta(minutes=6)), CheckStatus.FAIL, False),
        Heart(Heartbeat(), CheckStatus.SKIP, True),
        Heart(Heartbeat(error="OperationalError"), CheckStatus.WARN, True),
    ],
)
def test_the_daemon(control: ControlStore, settings: Settings, heart: Heart) -> None:
    health = look(control, settings, heart.heartbeat)
    assert (check(health, "daemon").status, health.is_well) == (heart.status, heart.well)


def test_a_daemon_that_nobody_needs_only_warns(control: ControlStore, settings: Settings) -> None:
    idle = {name: make_spec(table=name) for name in CATALOG}
    health = examine(control, idle, settings, NOW, lambda: Heartbeat(NOW - 5 * HOUR))
    assert check(health, "daemon").status is CheckStatus.WARN


def test_stale_tables_and_last_failures(control: ControlStore, settings: Settings) -> None:
    control.query("SELECT 1 AS one")
    later = examine(control, CATALOG, settings, NOW + 40 * HOUR, lambda: Heartbeat(NOW + 40 * HOUR))
    assert (check(later, "freshness").status, later.is_well) == (CheckStatus.FAIL, False)
    assert "client (43 h), stock (43 h)" in check(later, "freshness").detail
    load(control, "client", 1, "failed", "SourceError")
    now = look(control, settings)
    assert check(now, "last loads").detail == "1 ended badly: client: SourceError"
    assert check(now, "failures in 24 h").status is CheckStatus.WARN


@pytest.mark.parametrize(("failures", "status"), [(5, CheckStatus.WARN), (6, CheckStatus.FAIL)])
def test_more_than_five_failures_in_24_hours(control: ControlStore, settings: Settings, failures: int, status: CheckStatus) -> None:
    for i in range(failures):
        load(control, "client", 20 - i, "failed", "X")
    load(control, "client", 0.5)
    found = check(look(control, settings), "failures in 24 h")
    assert (found.status, found.detail) == (status, f"{failures} of {failures + 3} loads failed")


def test_quarantine_drift_quality_and_certificates(control: ControlStore, settings: Settings) -> None:
    control.quarantine_add("client", [BadRow("0" * 64, "{}", True, "nom", "SqlWidthError", "x", "{}")], run_id="r", seq=1)
    control.record_drift("client", [DriftRow("column_added", "review", "c", "", "integer", "", "reported")], run_id="r")
    control.add_certificate(_certificate("different"))
    control.add_quality([_rule("FAILED"), _rule("WARNING", "other")])
    health = look(control, settings)
    assert {c.name: c.status.value for c in health.checks if c.status in (CheckStatus.WARN, CheckStatus.FAIL)} == {
        "quarantine": "warn", "schema drift": "warn", "certificates": "fail", "quality": "fail", "objectives": "warn",
    }  # fmt: skip
    assert all(c.remedy for c in health.checks if c.status in (CheckStatus.WARN, CheckStatus.FAIL))


def _certificate(status: str) -> CertificateRow:
    return CertificateRow("r", "client", status, NOW, NOW, None, 1, 1, 1, 0, 0, 1, 0, 0, "", "", "", "", 1, "[]", "[]")


def _rule(verdict: str, name: str = "not_null nom") -> QualityRow:
    return QualityRow("r", "client", 1, "ods", "", name, "not_null", "nom", name, "ERROR", False, verdict, 10, 1, 10.0, "[]", 0.1, "")


def test_an_open_breaker_and_a_stuck_load(control: ControlStore, settings: Settings) -> None:
    control.change_breaker(
        "source", lambda b: Breaker(b.resource, BreakerState.OPEN, 5, opened_utc=NOW, error_class="TransientSourceError")
    )
    with control.lock("client", "stuck", wait_seconds=1, ttl_seconds=600):
        control.start_log(LogStart("stuck", "client", "full", "", NOW - 7 * HOUR))
        health = look(control, settings)
    assert check(health, "circuit breakers").status is CheckStatus.FAIL
    assert check(health, "running loads").detail == "1 have run for hours: client (7 h)"


def test_a_full_disk(control: ControlStore, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(settings.home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=usage.total // 100))
    strict = settings.model_copy(update={"observability": ObservabilitySettings()})
    found = check(look(control, strict), "disk")
    assert (found.status, "(1 %)" in found.detail) == (CheckStatus.FAIL, True)


def test_a_control_database_that_cannot_be_written_fails_and_the_rest_still_answers(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    settings = Settings(home=tmp_path / "home", control=ControlSettings(url=f"sqlite:///{blocked}/control"))  # type: ignore[arg-type]
    health = examine(ControlStore(settings), CATALOG, settings, NOW, lambda: ALIVE)
    assert check(health, "control database").status is CheckStatus.FAIL
    assert check(health, "last loads").status is CheckStatus.SKIP
    assert check(health, "daemon").status is CheckStatus.OK
    assert not health.is_well


def test_the_page_is_self_contained_and_escapes(control: ControlStore, settings: Settings) -> None:
    load(control, "client", 1, "failed", "<script>alert(1)</script>")
    page = render_html(look(control, settings), "DEV")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "Something is wrong" in page
    assert not re.findall(r"(?:src|href)=", page)
