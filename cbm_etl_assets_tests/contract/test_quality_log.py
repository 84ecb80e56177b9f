"""etl.DataQuality_Log and its views on every control database."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from cbm_etl_assets.control.port import LogEnd, LogStart, QualityRow
from cbm_etl_assets_tests.control_fixture import ControlKit, control, control_postgres
from cbm_etl_assets_tests.specs import make_spec

__all__ = ["control", "control_postgres"]  # fixtures

ROW = QualityRow(
    run_id="r1", table_name="client", seq=1, layer="stg", partition_key="", rule_name="not_null_nom", rule_kind="not_null",
    column_name="nom", rule_text="not_null: nom", severity="ERROR", blocking=True, verdict="FAILED", rows_checked=200, rows_failed=3,
    percent_failed=1.5, sample_keys='["C1"]', seconds=0.01, message="3 of 200 rows",
)  # fmt: skip
GOOD = replace(ROW, rule_name="unique_nom", rule_kind="unique", blocking=False, verdict="VALID", rows_failed=0, percent_failed=0)


def test_the_summary_is_of_the_last_run_and_its_worst_verdict(control: ControlKit) -> None:
    control.store.add_quality([replace(ROW, run_id="older", table_name="client"), GOOD])
    control.store.add_quality([ROW, GOOD, replace(GOOD, rule_name="volume", verdict="SKIPPED")])
    [row] = control.store.query("SELECT * FROM etl.vw_DQ_Summary")
    counted = [row[name] for name in ("RunId", "Rules", "Valid", "Warnings", "Failed", "Skipped", "BlockingFailed", "Verdict")]
    assert counted == ["r1", 4, 2, 0, 1, 1, 1, "FAILED"]
    assert round(float(str(row["QualityPercent"])), 2) == 66.67


def test_violations_are_counted_a_rule_and_skipped_ones_are_not_evaluations(control: ControlKit) -> None:
    control.clock.at = dt.datetime.now(dt.UTC)  # the view's window ends now
    control.store.add_quality([ROW, GOOD])
    control.store.add_quality([replace(ROW, verdict="WARNING", rows_failed=1, percent_failed=0.5), replace(ROW, verdict="SKIPPED")])
    [row] = control.store.query("SELECT * FROM etl.vw_DQ_TopViolations")
    assert (row["RuleName"], row["Evaluations"], row["Violations"], row["RowsFailed"], row["MaxPercentFailed"]) == (
        "not_null_nom", 2, 2, 4, 1.5,
    )  # fmt: skip


def test_past_loads_are_those_of_the_mode_that_succeeded(control: ControlKit) -> None:
    for mode, status, rows in (("full", "success", 10), ("full", "failed", 0), ("incremental", "success", 3), ("full", "success", 11)):
        start = control.clock.forward(hours=1)
        log = control.store.start_log(LogStart(f"r{rows}{status}", "client", mode, "", start))
        control.store.end_log(log, LogEnd(status, control.clock.forward(minutes=1), rows={"read": rows}))
    since = control.clock.at - dt.timedelta(days=2)
    assert [one.rows_read for one in control.store.past_loads("client", "full", since)] == [10, 11]
    assert control.store.past_loads("client", "full", control.clock.at) == []


def test_coverage_lists_tables_without_rules_too(control: ControlKit) -> None:
    control.clock.at = dt.datetime.now(dt.UTC)
    bare = make_spec(table="bare")
    ruled = make_spec(
        quality=["duplicate_keys", {"not_null": ["nom", "gencod-v"]}, {"range": {"column": "cod_cli", "min": 0, "reject": True}}]
    )
    control.store.project_specs([bare, ruled])
    control.store.add_quality([ROW])
    found = {str(row["TableName"]): row for row in control.store.query("SELECT * FROM etl.vw_DQ_Coverage")}
    assert [found["bare"][n] for n in ("Rules", "ColumnsTotal", "CoveragePercent", "RulesEvaluated", "LastCheckedTs")] == [0, 4, 0, 0, None]
    assert [found["client"][n] for n in ("Rules", "RejectRules", "ColumnsCovered", "CoveragePercent", "RulesEvaluated")] == [4, 1, 3, 75, 1]
    control.store.project_specs([bare])
    assert [row["TableName"] for row in control.store.query("SELECT TableName FROM etl.DQ_Declared")] == ["bare"]
