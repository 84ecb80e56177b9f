"""From the journal to conditions and messages, on every control database: what each event of the journal is told as."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from cbm_etl_assets.alerting.events import Condition
from cbm_etl_assets.control.port import CertificateRow, DriftRow, QualityRow
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.pipeline import conditions
from cbm_etl_assets.reliability.breaker import BreakerPolicy, failed, passed
from cbm_etl_assets_tests.alert_fixture import Journal, alerts, journal_on, table
from cbm_etl_assets_tests.control_fixture import ControlKit, control, control_postgres

__all__ = ["control", "control_postgres"]
LOG = {"routes": ({"name": "log", "channel": "log"},)}


@pytest.fixture
def journal(control: ControlKit) -> Journal:
    made = journal_on(
        control,
        table("client", priority="critical"),
        table("stock", depends_on=["client"]),
        table("entetcli", depends_on=["client"]),
        table("lignecli", depends_on=["entetcli"]),
    )
    control.store.project_specs(list(made.catalog.values()))
    return made


def look(journal: Journal, **more: Any) -> list[tuple[str, str]]:
    """What one look adds to the outbox."""
    before = len(journal.told())
    journal.watchman(alerts(**(LOG | more))).watch()
    return journal.told()[before:]


def payload(journal: Journal, key: str) -> dict[str, Any]:
    rows = journal.store.query("SELECT Payload FROM etl.Alert_Log WHERE AlertKey = :key ORDER BY AlertLogId DESC", {"key": key})
    return dict(json.loads(str(rows[0]["Payload"])))


def test_a_failed_load_names_what_is_at_risk_and_its_owner(journal: Journal) -> None:
    journal.load("client", "SqlWidthError", "column 'nom' PWD=hunter2 is too wide", run="run-7")
    assert look(journal) == [("opened", "load:client")]
    told = payload(journal, "load:client")
    assert (told["kind"], told["severity"], told["facts"]["run_id"]) == ("run_failure", "critical", "run-7")
    assert told["facts"]["downstream"] == ["ods/stock", "ods/entetcli", "ods/lignecli"]
    assert told["facts"]["owners"] == ["ventes@example.fr"]
    assert "hunter2" not in str(told)


@pytest.mark.parametrize(("error", "kind"), [
    ("MassDeleteError", "mass_delete"), ("TooManyBadRowsError", "quarantine"), ("SourceSchemaError", "drift"),
    ("CircuitOpenError", "run_failure"), ("OrphanedRun", "run_failure"),
])  # fmt: skip
def test_the_class_of_the_error_says_what_it_is(journal: Journal, error: str, kind: str) -> None:
    journal.load("stock", error, "x")
    look(journal)
    assert (payload(journal, "load:stock")["kind"], payload(journal, "load:stock")["severity"]) == (kind, "error")


def test_a_run_that_a_person_stopped_is_no_failure(journal: Journal) -> None:
    journal.load("client", "KeyboardInterrupt")
    assert look(journal) == []


def test_a_backfill_that_succeeds_heals_no_nightly_load(journal: Journal) -> None:
    journal.load("client", "SourceError", "x")
    look(journal)
    journal.load("client", mode="partition")
    assert look(journal) == []
    journal.load("client")
    assert look(journal) == [("recovered", "load:client")]
    journal.load("client", "SourceError", "x", mode="partition")
    assert look(journal) == [("opened", "load:client")]
    journal.load("client", mode="partition")
    assert look(journal) == [("recovered", "load:client")]


def test_a_long_streak_that_heals_is_one_recovery(journal: Journal) -> None:
    """Only the last day of failures is read again: the streak then seems to begin later than it did."""
    for _ in range(5):
        journal.load("stock", "SourceError", "x")
        journal.forward(hours=10)
        look(journal)
    journal.load("stock")
    assert look(journal) == [("recovered", "load:stock"), ("recovered", "slo:freshness:stock")]
    for _ in range(4):
        journal.forward(minutes=10)
        assert look(journal) == []


def test_a_table_that_left_the_specs_has_not_recovered(journal: Journal) -> None:
    journal.load("stock", "SourceError", "x")
    look(journal)
    left = journal.catalog.pop("stock")
    assert look(journal) == []
    assert journal.store.alerts().board().rows["load:stock"].state == "closed"
    journal.catalog["stock"] = left
    journal.forward(minutes=1)
    assert look(journal) == [("opened", "load:stock")], "back again, and it still fails"


def test_a_failure_between_two_looks_is_not_lost(journal: Journal) -> None:
    look(journal)
    journal.load("stock", "SourceError", "x")
    journal.load("stock")
    assert look(journal) == [("recovered", "load:stock")]
    assert look(journal) == []


def test_a_killed_run_is_told_by_its_open_row(journal: Journal) -> None:
    from cbm_etl_assets.control.port import LogStart

    journal.store.start_log(LogStart("r9", "stock", "full", "", journal.now()))
    assert look(journal) == []
    journal.forward(minutes=16)  # and holds no lock
    assert look(journal) == [("opened", "load:stock")]
    assert payload(journal, "load:stock")["facts"]["error_class"] == "OrphanedRun"


def test_drift_that_needs_review_is_told_once_a_discovery(journal: Journal) -> None:
    def row(name: str, change_class: str, consequence: str) -> DriftRow:
        return DriftRow("narrowed", change_class, name, "varchar(30)", "varchar(20)", "", consequence)

    found = [row("a", "review", "reported"), row("b", "safe", "loaded"), row("c", "breaking", "stopped"), row("d", "review", "ignored")]
    journal.store.record_drift("client", found, run_id="r")
    [(event, key)] = look(journal)
    assert (event, key.split(":")[:2]) == ("opened", ["drift", "client"])
    assert payload(journal, key)["facts"]["detail"] == "a narrowed varchar(30) → varchar(20) (reported)"
    journal.forward(hours=1)
    journal.store.record_drift("client", [*found, row("e", "review", "kept")], run_id="r2")
    assert [event for event, _ in look(journal)] == ["opened"]
    journal.store.record_drift("client", [], run_id="r3")
    assert [event for event, _ in look(journal)] == ["recovered", "recovered"]


def test_a_full_quarantine_is_told_until_it_heals(journal: Journal) -> None:
    journal.catalog["client"] = table("client", quarantine={"max_rows": 2})
    rows = [BadRow(f"{i:064}", "{}", True, "nom", "E", "m", "{}") for i in range(3)]
    journal.store.quarantine_add("client", rows[:2], run_id="r", seq=1)
    assert look(journal) == []
    journal.store.quarantine_add("client", rows, run_id="r", seq=2)
    assert look(journal) == [("opened", "quarantine:client")]
    journal.store.quarantine_heal("client", 3)
    assert look(journal) == [("recovered", "quarantine:client")]


def test_a_critical_rule_is_told_and_a_warning_is_not(journal: Journal) -> None:
    def rule(verdict: str, run: str, severity: str = "ERROR") -> QualityRow:
        return QualityRow(
            run_id=run, table_name="client", seq=1, layer="stg", partition_key="", rule_name="nom not null",
            rule_kind="not_null", column_name="nom",
            rule_text="nom not null", severity=severity, blocking=True, verdict=verdict, rows_checked=10, rows_failed=4,
            percent_failed=40.0, sample_keys="[]", seconds=0.1, message="4 rows",
        )  # fmt: skip

    journal.store.add_quality([rule("FAILED", "r1"), rule("WARNING", "r1", "WARN")])
    assert look(journal) == [("opened", "quality:client")]
    assert payload(journal, "quality:client")["facts"]["detail"] == "nom not null: 4 rows"
    journal.forward(minutes=30)
    journal.store.add_quality([rule("VALID", "r2")])
    assert look(journal) == [("recovered", "quality:client")]


def test_a_certificate_that_differs_is_told(journal: Journal) -> None:
    def certificate(status: str, different: int) -> CertificateRow:
        now = journal.now()
        return CertificateRow(
            "r", "stock", status, now, now, None, 1, 10, 10, 0, 0, different, 0, 0, "a", "b", "c", "d", 0, "[]", "[]"
        )  # fmt: skip

    journal.store.add_certificate(certificate("different", 3))
    assert look(journal) == [("opened", "certificate:stock")]
    assert payload(journal, "certificate:stock")["facts"]["numbers"] == {"different": 3.0}
    journal.store.add_certificate(certificate("equal", 0))
    assert look(journal) == [("recovered", "certificate:stock")]


def test_an_open_circuit_is_critical(journal: Journal) -> None:
    now = journal.now().replace(tzinfo=None)
    policy = BreakerPolicy(failures=1, cool_down_seconds=60)
    journal.store.change_breaker("source", lambda seen: failed(seen, ("TransientSourceError", "down PWD=hunter2"), now, policy))
    assert look(journal) == [("opened", "circuit:source")]
    told = payload(journal, "circuit:source")
    assert (told["severity"], told["facts"]["detail"]) == ("critical", "down PWD=***")
    journal.store.change_breaker("source", passed)
    assert look(journal) == [("recovered", "circuit:source")]


def test_a_table_that_is_not_loaded_in_time_is_told_once_and_its_load_heals_it(journal: Journal) -> None:
    for name in journal.catalog:
        journal.load(name)
    assert look(journal) == []
    journal.forward(hours=37)
    for name in ("client", "entetcli", "lignecli"):
        journal.load(name)
    journal.load("stock", mode="partition")
    assert look(journal) == [("opened", "slo:freshness:stock")], "a backfill of an old partition makes nothing fresh"
    assert look(journal) == []
    journal.load("stock")
    assert look(journal) == [("recovered", "slo:freshness:stock")]


def test_al06_the_daily_summary_is_told_once_a_day_also_when_all_is_well(journal: Journal) -> None:
    said = {"summary_hour": 8}
    journal.load("client")
    assert look(journal, **said) == [], "07:00 in Paris"
    journal.forward(hours=2)
    assert look(journal, **said) == [("summary", "summary:2026-11-21")]
    told = payload(journal, "summary:2026-11-21")
    assert (told["severity"], told["facts"]["numbers"]["loads_good"], told["facts"]["numbers"]["tables"]) == ("info", 1, 4)
    assert look(journal, **said) == []
    journal.load("stock", "SourceError", "x")
    journal.forward(hours=48)  # the daemon was down over a day's hour: the day it comes back is told
    assert ("summary", "summary:2026-11-23") in look(journal, **said)
    assert payload(journal, "summary:2026-11-23")["severity"] == "warning"


def test_success_and_retry_are_told_to_whom_they_were_promised(journal: Journal) -> None:
    journal.catalog["stock"] = table("stock", notify=["success", "retry"])
    look(journal)
    first, second = journal.load("stock"), journal.load("stock", attempts=3)
    journal.load("client", attempts=3)
    expected = [("success", f"load:{first}:success"), ("success", f"load:{second}:success"), ("retry", f"load:{second}:retry")]
    assert look(journal) == expected
    assert look(journal) == []
    journal.load("stock", "SourceError", "x")
    assert look(journal) == [], "its failures are nobody's to hear"
    journal.catalog["client"] = table("client", notify=[])
    assert look(journal, notify=("success",)) == []


def test_a_reader_with_a_defect_is_told_and_silences_no_other(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.load("stock", "SourceError", "x")
    rows = [BadRow(f"{i:064}", "{}", True, "nom", "E", "m", "{}") for i in range(200)]
    journal.store.quarantine_add("client", rows, run_id="r", seq=1)
    assert look(journal) == [("opened", "load:stock"), ("opened", "quarantine:client")]

    def broken_reader(_: object) -> list[Condition]:
        raise ValueError("a defect, PWD=hunter2")

    kinds = conditions.READERS[conditions.quarantine_conditions]
    rest = {reader: of for reader, of in conditions.READERS.items() if reader is not conditions.quarantine_conditions}
    with monkeypatch.context() as patched:
        patched.setattr(conditions, "READERS", {**rest, broken_reader: kinds})
        journal.load("stock")
        journal.load("entetcli", "SourceError", "x")
        assert set(look(journal)) == {("recovered", "load:stock"), ("opened", "load:entetcli"), ("opened", "watch:broken_reader")}
        assert "hunter2" not in str(payload(journal, "watch:broken_reader"))
    assert look(journal) == [("recovered", "watch:broken_reader")], "what it could not look at is as it was"


def test_what_waits_is_purged_only_when_it_was_delivered_long_ago(journal: Journal) -> None:
    journal.load("stock", "SourceError", "x")
    look(journal)
    store = journal.store.alerts()
    assert store.purge(journal.now() + dt.timedelta(days=1)) == 0
    journal.watchman(alerts(**LOG)).drain()
    assert store.purge(journal.now() - dt.timedelta(days=1)) == 0
    assert store.purge(journal.now() + dt.timedelta(days=1)) == 1


def test_an_installation_that_watches_for_the_first_time_tells_no_old_stories(journal: Journal) -> None:
    journal.load("stock", "SourceError", "x")
    journal.load("stock")
    journal.forward(days=3)
    for name in journal.catalog:
        journal.load(name)
    assert look(journal) == []
