"""What every control database promises; each test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import datetime as dt
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cbm_etl_assets.control.database import Database
from cbm_etl_assets.control.locks import HeldLock
from cbm_etl_assets.control.port import Control, LogEnd, LogStart
from cbm_etl_assets.control.sql import control_dir, migrations, statement
from cbm_etl_assets.control.store import open_database
from cbm_etl_assets.errors import BusyError, ControlError
from cbm_etl_assets.reliability.process import host_id
from cbm_etl_assets_tests.control_fixture import START, ControlKit, control, control_postgres
from cbm_etl_assets_tests.specs import make_spec

__all__ = ["control", "control_postgres"]
DEAD = f"{host_id()}:{2**22 + 1}:killed"
NAIVE = START.replace(tzinfo=None)


def begin(kit: ControlKit, table: str = "client", run_id: str = "r1", mode: str = "full", partition: str = "") -> int:
    return kit.store.start_log(LogStart(run_id, table, mode, partition, kit.clock()))


def write(kit: ControlKit, sql: str, **values: object) -> None:
    database = open_database(kit.settings)
    try:
        with database.transaction() as session:
            session.execute(sql, values)
    finally:
        database.close()


def test_log_row_is_started_first_then_closed_with_every_figure(control: ControlKit) -> None:
    log_id = begin(control, partition="2026-11-20", mode="auto")
    [row] = control.store.query("SELECT * FROM etl.ETL_Log")
    assert (row["LogId"], row["Status"], row["StartedUtc"], row["EndedUtc"], row["PartitionKey"]) == (
        log_id,
        "started",
        NAIVE,
        None,
        "2026-11-20",
    )
    outcomes = (
        "read",
        "inserted",
        "updated",
        "unchanged",
        "superseded",
        "resurrected",
        "deduplicated",
        "quarantined",
        "filtered",
        "deleted",
    )
    high = dt.datetime(2026, 10, 25, 2, 30, 0, 123456)
    control.store.end_log(log_id, LogEnd(
        "success", control.clock.forward(seconds=12.5), 1.5, 2.5, 3.5, 4.5, rows={name: i for i, name in enumerate(outcomes, 10)},
        bytes=2**40, attempts=3, high_water=high, seq=7, mode="incremental",
    ))  # fmt: skip
    [row] = control.store.query("SELECT * FROM etl.ETL_Log WHERE Status = 'success' ORDER BY LogTs")
    assert [row[f"Rows{name.capitalize()}"] for name in outcomes] == list(range(10, 20))
    assert [row[f"{stage}Seconds"] for stage in ("Duration", "Extract", "Transform", "Load", "Merge")] == [12.5, 1.5, 2.5, 3.5, 4.5]
    assert (row["BytesRead"], row["Attempts"], row["HighWaterTs"], row["LoadSeq"], row["Mode"]) == (2**40, 3, high, 7, "incremental")
    assert row["EndedUtc"] == row["LogTs"] == NAIVE + dt.timedelta(seconds=12.5)


def test_failed_row_keeps_class_and_message(control: ControlKit) -> None:
    control.store.end_log(
        begin(control), LogEnd("failed", control.clock(), error_class="SqlWidthError", error_message="colonne 'é' trop large")
    )
    [row] = control.store.query("SELECT * FROM etl.ETL_Log WHERE Status = :status", {"status": "failed"})
    assert (row["ErrorClass"], row["ErrorMessage"]) == ("SqlWidthError", "colonne 'é' trop large")


@pytest.mark.parametrize(("end", "message"), [
    (LogEnd("done", START), "Unknown log status 'done'. Known: success"),
    (LogEnd("success", START, rows={"lost": 1}), "Unknown row outcome lost. Known: read"),
])  # fmt: skip
def test_words_nobody_knows_are_refused(control: ControlKit, end: LogEnd, message: str) -> None:
    with pytest.raises(ControlError, match=message):
        control.store.end_log(begin(control), end)
    with pytest.raises(ControlError, match="No log row 999"):
        control.store.end_log(999, LogEnd("success", START))


def test_orphan_of_a_dead_process_is_closed_by_the_next_start(control: ControlKit) -> None:
    first, other = begin(control), begin(control, "produit")
    write(control, "UPDATE etl.ETL_Log SET Owner = :owner", owner=DEAD)
    control.clock.forward(minutes=1)
    begin(control, run_id="r2")
    rows = {r["LogId"]: r for r in control.store.query("SELECT * FROM etl.ETL_Log")}
    assert (rows[first]["Status"], rows[first]["ErrorMessage"]) == ("failed", "orphan of a killed run")
    assert rows[first]["EndedUtc"] == NAIVE + dt.timedelta(minutes=1)
    assert rows[other]["Status"] == "started", "another table's row is not touched"


def test_killed_runs_are_reaped_and_living_ones_stay(control: ControlKit) -> None:
    """CF13: without waiting for the next load of their table."""
    dead, alive, elsewhere = begin(control), begin(control, "produit"), begin(control, "stock")
    write(control, "UPDATE etl.ETL_Log SET Owner = :owner WHERE TableName = 'client'", owner=DEAD)
    write(control, "UPDATE etl.ETL_Log SET Owner = 'elsewhere:1:x' WHERE TableName = 'stock'")
    statuses = lambda: {r["LogId"]: r["Status"] for r in control.store.query("SELECT * FROM etl.ETL_Log")}  # noqa: E731
    assert control.store.reap_runs() == 1
    assert statuses() == {dead: "failed", alive: "started", elsewhere: "started"}
    control.clock.forward(minutes=16)
    with control.store.lock("produit", "r1", wait_seconds=0, ttl_seconds=60):
        assert control.store.reap_runs() == 1, "unseen for minutes and holding nothing"
    assert statuses() == {dead: "failed", alive: "started", elsewhere: "failed"}


def test_row_of_another_host_is_closed_under_the_lock_or_when_old(control: ControlKit) -> None:
    first = begin(control)
    write(control, "UPDATE etl.ETL_Log SET Owner = 'elsewhere:1:x'")
    second = begin(control, run_id="r2")
    assert [r["Status"] for r in control.store.query("SELECT * FROM etl.ETL_Log ORDER BY LogId")] == ["started", "started"]
    with control.store.lock("client", "r3", wait_seconds=0, ttl_seconds=60):
        third = begin(control, run_id="r3")
    statuses = {r["LogId"]: r["Status"] for r in control.store.query("SELECT * FROM etl.ETL_Log")}
    assert statuses == {first: "failed", second: "failed", third: "started"}
    write(control, "UPDATE etl.ETL_Log SET Owner = 'elsewhere:1:x'")
    control.clock.forward(minutes=16)
    begin(control, run_id="r4")
    assert {r["LogId"]: r["Status"] for r in control.store.query("SELECT * FROM etl.ETL_Log")}[third] == "failed"


def test_row_whose_process_holds_the_lock_is_never_an_orphan(control: ControlKit) -> None:
    begin(control)
    write(control, "UPDATE etl.ETL_Log SET Owner = 'elsewhere:1:x'")
    with control.store.lock("client", "x", wait_seconds=0, ttl_seconds=100_000):
        write(control, "UPDATE etl.Table_Lock SET Owner = 'elsewhere:1:x'")
        control.clock.forward(hours=5)
        begin(control, run_id="r2")
        assert [r["Status"] for r in control.store.query("SELECT Status FROM etl.ETL_Log ORDER BY LogId")] == ["started", "started"]


def test_last_runs_performance_and_sla_views(control: ControlKit) -> None:
    # The views compare with the database's own clock, so these rows lie in the real present.
    now = dt.datetime.now(dt.UTC)
    control.store.project_specs([
        make_spec(), make_spec(table="produit", freshness={"warn": "1h", "fail": "2h"}), make_spec(table="stock"),
        make_spec(table="jamais"),
    ])  # fmt: skip

    def run(table: str, status: str, hours_ago: float, mode: str = "full", seconds: float = 10) -> None:
        start = now - dt.timedelta(hours=hours_ago)
        log_id = control.store.start_log(LogStart(f"{table}{hours_ago}", table, mode, "", start))
        control.store.end_log(
            log_id, LogEnd(status, start + dt.timedelta(seconds=seconds), rows={"read": 1000}, extract_seconds=seconds / 2)
        )

    run("client", "success", 200)
    run("client", "success", 20)
    run("client", "success", 10, seconds=30)
    run("client", "failed", 1)
    run("produit", "success", 3)
    run("stock", "success", 30, "full")
    run("stock", "success", 1, "partition")
    last = {r["TableName"]: r for r in control.store.query("SELECT * FROM etl.vw_LastRuns")}
    assert (last["client"]["Status"], last["produit"]["Status"], len(last)) == ("failed", "success", 3)
    [client] = control.store.query("SELECT * FROM etl.vw_TablePerformance WHERE TableName = :t", {"t": "client"})
    assert (client["Runs"], client["Successes"], client["Failures"], client["RowsRead"]) == (3, 2, 1, 2000)
    assert (client["AvgSeconds"], client["MinSeconds"], client["MaxSeconds"], client["AvgExtractSeconds"]) == (20, 10, 30, 10)
    assert client["RowsPerSecond"] == pytest.approx(50)
    sla = {r["TableName"]: r for r in control.store.query("SELECT * FROM etl.vw_SLABreach")}
    assert {t: r["SLAStatus"] for t, r in sla.items()} == {"client": "OK", "produit": "BREACH", "stock": "BREACH", "jamais": "BREACH"}
    assert (sla["client"]["SlaHours"], sla["produit"]["SlaHours"]) == (24, 2)
    assert sla["produit"]["HoursSinceSuccess"] == pytest.approx(3, abs=0.05)


def test_metrics_and_watermark(control: ControlKit) -> None:
    control.store.add_metrics("r1", "client", {"rows_per_second": 12.5, "bytes": 3})
    control.store.add_metrics("r1", "client", {})
    rows = control.store.query("SELECT * FROM etl.Metrics ORDER BY MetricName")
    assert [(r["MetricName"], r["MetricValue"]) for r in rows] == [("bytes", 3.0), ("rows_per_second", 12.5)]
    mark = dt.datetime(2026, 10, 25, 2, 30, 0, 1)
    control.store.set_watermark("client", None, 1, "r1")
    control.store.set_watermark("client", mark, 2, "r2")
    [row] = control.store.query("SELECT * FROM etl.Watermark")
    assert (row["WatermarkTs"], row["LoadSeq"], row["RunId"], row["UpdatedUtc"]) == (mark, 2, "r2", NAIVE)


def test_specs_are_projected_under_the_legacy_names(control: ControlKit) -> None:
    client = make_spec(
        kind="fact", primary_key=["cod_cli", "gencod-v"], cursor={"columns": ["dat_mod"], "lookback": "36h"}, depends_on=["stock"]
    )
    control.store.project_specs([client, make_spec(table="stock", cursor=None, filter="actif = 1")])
    rows = {r["TableName"]: r for r in control.store.query("SELECT * FROM config.ETL_Tables")}
    legacy = (
        "DestinationTable",
        "PrimaryKeyCols",
        "HasTimestamps",
        "DateModifCol",
        "DateModifPrecision",
        "LookbackInterval",
        "IsDimension",
        "IsFact",
    )
    assert [rows["client"][c] for c in legacy] == ["ods.client", "cod_cli,gencod-v", 1, "dat_mod", "datetime", "36h", 0, 1]
    assert [rows["stock"][c] for c in ("HasTimestamps", "LookbackInterval", "FilterClause", "LastSuccessTs")] == [
        0,
        None,
        "actif = 1",
        None,
    ]
    [column] = control.store.query("SELECT * FROM config.ETL_Columns WHERE TableName = 'client' AND ColumnName = 'gencod-v'")
    assert (column["SqlName"], column["SourceExpression"], column["IsExcluded"], column["IsKey"]) == (
        "gencod_v",
        '"gencod-v" AS gencod_v',
        0,
        1,
    )
    assert control.store.query("SELECT * FROM config.ETL_Dependencies") == [{"TableName": "client", "DependsOn": "stock"}]


def test_projection_follows_the_catalogue_and_keeps_last_success(control: ControlKit) -> None:
    control.store.project_specs([make_spec(), make_spec(table="stock")])
    control.store.end_log(begin(control), LogEnd("success", control.clock.forward(minutes=1)))
    partition = begin(control, run_id="r2", mode="partition")
    control.store.end_log(partition, LogEnd("success", control.clock.forward(minutes=1)))
    control.store.project_specs([make_spec(description="changed", columns=make_spec().columns[:2] + make_spec().columns[3:])])
    [row] = control.store.query("SELECT * FROM config.ETL_Tables")
    assert (row["TableName"], row["LastSuccessTs"]) == ("client", NAIVE + dt.timedelta(minutes=1))
    assert [c["ColumnName"] for c in control.store.query("SELECT * FROM config.ETL_Columns ORDER BY Ordinal")] == [
        "cod_cli",
        "dat_mod",
        "gencod-v",
    ]
    assert [r["TableName"] for r in control.store.query("SELECT * FROM etl.Table_SLA")] == ["client"]


def test_two_processes_that_project_at_once_do_not_collide(control: ControlKit) -> None:
    stores = [control.open() for _ in range(4)]
    start = threading.Barrier(len(stores))

    def project(store: Control) -> None:
        start.wait()
        store.project_specs([make_spec(), make_spec(table="stock")])

    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(project, stores))
    assert len(control.store.query("SELECT * FROM config.ETL_Tables")) == len(control.store.query("SELECT * FROM etl.Table_SLA")) == 2


def test_lock_excludes_and_names_its_holder(control: ControlKit) -> None:
    with control.store.lock("client", "first", wait_seconds=0, ttl_seconds=60) as held:
        control.clock.forward(seconds=5)
        with (
            pytest.raises(BusyError, match=r"Table 'client' is busy: held by .*:first since 2026-11-21 08:00:00 UTC \(5 s\)") as caught,
            control.open().lock("client", "second", wait_seconds=0, ttl_seconds=60),
        ):
            pytest.fail("two holders")
        assert caught.value.exit_code == 3
        with control.open().lock("produit", "second", wait_seconds=0, ttl_seconds=60):
            assert not held.lost
    with control.open().lock("client", "second", wait_seconds=0, ttl_seconds=60) as again:
        assert isinstance(again, HeldLock)
        assert again.token == 2


def test_lock_waits_for_its_turn(control: ControlKit) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with control.open().lock("client", "first", wait_seconds=0, ttl_seconds=60):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(10)
    threading.Timer(0.3, leave.set).start()
    with control.store.lock("client", "second", wait_seconds=20, ttl_seconds=60) as lock:
        assert leave.is_set()
        assert not lock.lost
    thread.join()


@pytest.mark.parametrize("why", ["expired", "dead"])
def test_expired_locks_and_dead_owners_are_taken_over(control: ControlKit, why: str) -> None:
    with control.store.lock("client", "first", wait_seconds=0, ttl_seconds=60) as first:
        if why == "expired":
            control.clock.forward(seconds=61)
        else:
            write(control, "UPDATE etl.Table_Lock SET Owner = :owner", owner=DEAD)
        with control.open().lock("client", "second", wait_seconds=0, ttl_seconds=60) as second:
            control.clock.forward(seconds=59)
            assert not second.lost
            control.clock.forward(seconds=2)
            assert first.lost, "a loader that lost its lock must learn it"
            assert not second.lost, "it renews itself when nobody took it"
    [row] = control.store.query("SELECT * FROM etl.Table_Lock")
    assert row["Owner"] is None


def test_release_leaves_the_successor_alone(control: ControlKit) -> None:
    first = control.store.lock("client", "same-detail", wait_seconds=0, ttl_seconds=60)
    first.__enter__()
    control.clock.forward(seconds=61)
    with control.open().lock("client", "same-detail", wait_seconds=0, ttl_seconds=60) as second:
        first.__exit__(None, None, None)
        [row] = control.store.query("SELECT * FROM etl.Table_Lock")
        assert row["Owner"] == second.owner
        assert not second.lost


def test_heartbeat_keeps_a_lock_past_its_ttl(control: ControlKit) -> None:
    renewed = threading.Event()
    with control.store.lock("client", "first", wait_seconds=0, ttl_seconds=0.3) as lock:
        for _ in range(100):
            control.clock.forward(seconds=0.1)
            [row] = control.store.query("SELECT RenewedUtc, AcquiredUtc FROM etl.Table_Lock")
            if row["RenewedUtc"] != row["AcquiredUtc"]:
                renewed.set()
                break
            threading.Event().wait(0.05)
        assert renewed.is_set()
        assert not lock.lost


def test_one_of_many_contenders_enters(control: ControlKit) -> None:
    control.store.upgrade()
    inside, most = [0], [0]
    guard = threading.Lock()

    def contend(number: int) -> None:
        with control.open().lock("client", f"c{number}", wait_seconds=60, ttl_seconds=60):
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            threading.Event().wait(0.01)
            with guard:
                inside[0] -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(contend, range(6)))
    assert most == [1]
    [row] = control.store.query("SELECT Token FROM etl.Table_Lock")
    assert row["Token"] == 6


def test_query_cannot_write(control: ControlKit) -> None:
    begin(control)
    with pytest.raises(ControlError):
        control.store.query("DELETE FROM etl.ETL_Log")
    with pytest.raises(ControlError):
        control.store.query("SELECT * FROM etl.nowhere")
    assert len(control.store.query("SELECT * FROM etl.ETL_Log")) == 1


def test_upgrade_is_idempotent_and_safe_from_many_starts(control: ControlKit) -> None:
    stores = [control.open() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda s: s.upgrade(), stores))
    rows = control.store.query("SELECT Version, Name FROM etl.Schema_Version ORDER BY Version")
    assert [(r["Version"], r["Name"]) for r in rows] == [
        (number, name) for schema, number, name in migrations(control.kind) if schema == "etl"
    ]


def test_newer_control_database_is_refused(control: ControlKit) -> None:
    control.store.upgrade()
    write(control, statement("version_etl_add"), version=99, name="0099_etl_future", applied=START)
    with pytest.raises(ControlError, match="newer than this program: schema etl is at version 99"):
        control.open().upgrade()


class _GiveUp(Exception):
    pass


_STAMPS = {"now", "since", "expires", "ended", "started", "log_ts", "applied", "high_water", "watermark", "verified_through"}
_TEXTS = {"table_name", "run_id", "owner", "dead_owner", "name", "status", "mode", "metric", "layer", "partition_key", "error_class"}
_TEXTS |= {"error_message", "destination", "primary_key", "date_created", "date_modified", "precision", "filter", "lookback", "mask"}
_TEXTS |= {"source_schema", "source_table", "table_group", "priority", "owners", "grain", "cron", "timezone", "spec_hash", "depends_on"}
_TEXTS |= {"column_name", "sql_name", "expression", "notes", "data_type", "key_hash", "key_json", "payload"}
_TEXTS |= {"keys_source", "keys_ods", "content_source", "content_ods", "columns", "keys"}
_TEXTS |= {"kind", "change_class", "before", "after", "consequence"}
_STAMPS |= {"opened", "seen", "closed", "notified", "acked", "due", "rest_until", "sent", "older"}
_TEXTS |= {"alert_key", "state", "episode", "acked_by", "facts", "dedupe_key", "event_name", "route_name", "pattern", "cursor_text"}
_TEXTS |= {"cursor_name", "resource"}
_STAMPS |= {"next_probe", "failed", "known", "scheduled", "evaluated"}
_TEXTS |= {"slo", "unit"}
_TEXTS |= {"rule_name", "rule_kind", "rule_text", "severity", "verdict", "sample_keys", "message"}


def _execute_and_give_up(database: Database, name: str) -> None:
    sql = statement(name)
    stamps = _STAMPS | {"watermark": {"updated"}, "prune": {"before"}}.get(name.split("_")[0], set())
    texts = _TEXTS - ({"after"} if name.startswith("dash") else set())  # there the last row seen
    values: dict[str, object] = {p: START if p in stamps else "x" if p in texts else 90 for p in re.findall(r":(\w+)", sql)}
    with database.transaction() as session:
        _ = session.rows(sql, values) if sql.startswith("SELECT") else session.execute(sql, values)
        raise _GiveUp


def test_every_common_statement_runs_on_the_engine(control: ControlKit) -> None:
    names = sorted(path.stem for path in (control_dir() / "common").glob("*.sql"))
    assert len(names) > 20
    control.store.upgrade()
    database = open_database(control.settings)
    try:
        for name in names:
            with pytest.raises(_GiveUp):
                _execute_and_give_up(database, name)
    finally:
        database.close()
