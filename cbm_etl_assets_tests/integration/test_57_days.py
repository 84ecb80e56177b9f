"""Acceptance: 57 simulated days through the real journal and the real watchman; a restart in the middle changes nothing.

The rules themselves are counted in unit/slo/test_57_days.py, every five minutes. Here the same failures pass the control database,
the evaluation, the open/closed state and the outbox, looked at after each failure and as its windows run out.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbm_etl_assets.control.store import ControlStore, open_database
from cbm_etl_assets.pipeline.watch import Watchman
from cbm_etl_assets.settings import Settings
from cbm_etl_assets_tests.alert_fixture import alerts, table
from cbm_etl_assets_tests.journal_fixture import insert
from cbm_etl_assets_tests.unit.slo.test_57_days import DAYS, START, TABLES, journal

pytestmark = [pytest.mark.integration, pytest.mark.slow]
NAMES = [f"t{i}" for i in range(TABLES)]
CATALOG = {name: table(name) for name in NAMES}
LOOKS = (300.0, 6.2 * 3600)  # after a failure: at once, and when its short windows have run out


def looks(bad: list[float]) -> list[float]:
    return sorted(t for t in {b + after for b in bad for after in LOOKS} if t < START + DAYS * 86400)


def rows(good: list[float], bad: list[float]) -> Iterator[tuple[float, dict[str, object]]]:
    ends = sorted([(t, "success") for t in good] + [(t, "failed") for t in bad])
    for i, (end, status) in enumerate(ends):
        stamp = dt.datetime.fromtimestamp(end, dt.UTC)
        yield end, {
            "RunId": f"r{i}", "TableName": NAMES[i % TABLES], "LogTs": stamp, "Status": status, "Layer": "ods", "PartitionKey": "",
            "Mode": "incremental", "Owner": "x", "StartedUtc": stamp - dt.timedelta(seconds=20), "EndedUtc": stamp, "DurationSeconds": 20.0,
            "RowsRead": 1, "RowsInserted": 0, "RowsUpdated": 0, "RowsDeleted": 0, "Attempts": 1,
            "ErrorClass": "TransientSourceError" if status == "failed" else None, "ErrorMessage": "link lost",
        }  # fmt: skip


def live(home: Path, restart_every: int) -> list[tuple[str, str, str]]:
    """57 days; the watching process is replaced every so many looks (0 = never). Returns (event, key, severity) of all messages."""
    events = journal(1)
    settings = Settings(home=home, alerts=alerts("http://127.0.0.1:9/never"))
    clock = [dt.datetime.fromtimestamp(START, dt.UTC)]
    control = ControlStore(settings, lambda: clock[0])
    control.upgrade()
    database = open_database(settings)
    waiting = list(rows(list(events.good), list(events.bad)))[::-1]
    for i, moment in enumerate(looks(list(events.bad)), start=1):
        batch = []
        while waiting and waiting[-1][0] <= moment:
            batch.append(waiting.pop()[1])
        if batch:
            with database.transaction() as session:
                insert(session, "etl.ETL_Log", batch)
        clock[0] = dt.datetime.fromtimestamp(moment, dt.UTC)
        if restart_every and i % restart_every == 0:
            control.close()
            control = ControlStore(settings, lambda: clock[0])
        Watchman(control, CATALOG, settings, lambda: clock[0]).watch()
    found = control.query("SELECT EventName, AlertKey, Severity FROM etl.Alert_Log ORDER BY AlertLogId")
    control.close()
    database.close()
    return [(str(r["EventName"]), str(r["AlertKey"]), str(r["Severity"])) for r in found]


def test_57_days_are_told_the_same_with_and_without_restarts(tmp_path: Path) -> None:
    told = live(tmp_path / "a", 0)
    assert live(tmp_path / "b", 7) == told
    burns = Counter((event, severity) for event, key, severity in told if key == "slo:burn:error_rate")
    # Six pages: three that began as one, three tickets that grew. The unit test counts the same six, and 40 tickets with theirs.
    assert burns["opened", "error"] + burns["changed", "error"] == 6
    assert burns["opened", "warning"] + burns["opened", "error"] == 40
    assert burns["recovered", "warning"] + burns["recovered", "error"] == 40
    assert not any(event == "reminded" for event, _ in burns)
    failures = Counter(event for event, key, _ in told if key.startswith("load:"))
    assert failures["opened"] == failures["recovered"] == 76  # 79 failed loads, three of them of a table that was down already
