"""Quality rules on a whole line: a planted defect of each kind is caught at its layer, blocks or warns as declared, and is logged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cbm_etl_assets.errors import QualityError
from cbm_etl_assets.pipeline.results import Mode, Status
from cbm_etl_assets_tests.line_fixture import Line, article_spec, line

__all__ = ["line"]


def logged(line: Line, **where: Any) -> list[dict[str, Any]]:
    rows = line.platform.control.query("SELECT * FROM etl.DataQuality_Log ORDER BY LogId")
    return [dict(r) for r in rows if all(r[k] == v for k, v in where.items())]


def with_rules(line: Line, *rules: Any, **changes: Any) -> None:
    line.spec = article_spec(quality=list(rules), **changes)


def test_a_broken_rule_warns_and_the_load_goes_on(line: Line) -> None:
    line.execute('UPDATE pub.article SET "Libelle" = NULL WHERE cod_art IN (%s, %s)', "A00003", "A00007")
    with_rules(line, {"not_null": ["Libelle", "qte"]})
    result = line.load(Mode.FULL)
    assert result.status is Status.SUCCESS
    assert result.quality is not None
    assert result.quality.verdict == "WARNING"
    line.assert_equal()
    broken, good = logged(line)
    assert (broken["RuleName"], broken["Layer"], broken["Verdict"], broken["RowsChecked"], broken["RowsFailed"]) == (
        "not_null_Libelle", "stg", "WARNING", 200, 2,
    )  # fmt: skip
    assert (broken["PercentFailed"], json.loads(broken["SampleKeys"])) == (1.0, ["A00003", "A00007"])
    assert (good["Verdict"], good["RowsFailed"], good["LoadSeq"], good["RunId"]) == ("VALID", 0, result.seq, result.run_id)


def test_a_blocking_rule_stops_the_load_before_the_merge(line: Line) -> None:
    line.load(Mode.FULL)
    before = line.ods_rows()
    line.execute("UPDATE pub.article SET qte = -1")
    with_rules(line, {"range": {"column": "qte", "min": 0, "blocking": True}}, {"row_count": {"min": 1}})
    with pytest.raises(QualityError, match=r"range_qte \(200 of 200 rows fail\); nothing was merged") as caught:
        line.load(Mode.FULL)
    assert caught.value.rules == ("range_qte",)
    assert line.ods_rows() == before
    assert line.leftovers() == []
    assert [(r["RuleName"], r["Verdict"], r["Message"]) for r in logged(line)] == [
        ("range_qte", "FAILED", "200 of 200 rows fail"),
        ("row_count", "SKIPPED", "the load stopped before: QualityError"),
    ]
    [run] = line.platform.control.query("SELECT * FROM etl.vw_LastRuns")
    assert (run["Status"], run["ErrorClass"]) == ("failed", "QualityError")


def test_rejected_rows_go_to_the_quarantine_and_come_back_when_good(line: Line) -> None:
    line.load(Mode.FULL)
    line.execute("UPDATE pub.article SET qte = -5, dat_mod = timestamp '2026-02-01' WHERE cod_art = %s", "A00009")
    rule = {"range": {"column": "qte", "min": 0, "reject": True}}
    with_rules(line, rule)
    result = line.load(Mode.INCREMENTAL)
    outcome = result.outcome
    assert outcome.quarantined == 1
    assert outcome.read == outcome.accounted
    [entry] = line.platform.control.quarantine_entries("article")
    assert (entry.state, entry.row.error_class, entry.row.column) == ("open", "range", "qte")
    assert json.loads(entry.row.key_json) == {"cod_art": "A00009"}
    assert ("A00009",) not in [row[:1] for row in line.ods_rows() if row[3] < 0]
    full = line.load(Mode.FULL)  # seen as bad, not as gone: its last good version stays
    assert (full.outcome.deleted, full.outcome.quarantined) == (0, 1)
    assert any(row[0] == "A00009" for row in line.ods_rows())
    line.execute("UPDATE pub.article SET qte = 5 WHERE cod_art = %s", "A00009")
    line.load(Mode.INCREMENTAL)
    assert [e.state for e in line.platform.control.quarantine_entries("article")] == ["healed"]
    line.assert_equal()


def test_skipping_the_validation_is_logged(line: Line) -> None:
    from cbm_etl_assets.pipeline.load import load_table
    from cbm_etl_assets.pipeline.results import LoadOptions

    with_rules(line, {"range": {"column": "qte", "max": 0, "blocking": True}})
    result = load_table(line.platform, line.spec, LoadOptions(Mode.FULL, skip_validation=True))
    assert result.status is Status.SUCCESS
    assert [(r["Verdict"], r["Message"]) for r in logged(line)] == [("SKIPPED", "skipped by --skip-validation")]
