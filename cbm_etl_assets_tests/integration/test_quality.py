"""Quality rules on a whole line: a planted defect of each kind is caught at its layer, blocks or warns as declared, and is logged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cbm_etl_assets.errors import QualityError, TooManyBadRowsError
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


def test_rows_of_a_table_without_a_key_are_rejected_by_their_content(line: Line) -> None:
    from cbm_etl_assets_tests.line_fixture import TABLE

    plain: dict[str, Any] = {"primary_key": [], "cursor": None, "partition": None}
    line.spec = article_spec(**plain)
    line.load(Mode.FULL)
    line.execute("UPDATE pub.article SET qte = -5 WHERE cod_art = %s", "A00009")
    line.spec = article_spec(quality=[{"range": {"column": "qte", "min": 0, "reject": True}}], **plain, deletes={"max_rows": 500})
    result = line.load(Mode.FULL)
    assert (result.outcome.quarantined, result.outcome.deleted, len(line.ods_rows())) == (1, 1, 199)
    [entry] = line.platform.control.quarantine_entries(TABLE)
    assert (entry.row.error_class, entry.row.can_retry) == ("range", False)


def test_too_many_rejects_fail_the_table_and_change_nothing(line: Line) -> None:
    line.load(Mode.FULL)
    line.execute("UPDATE pub.article SET qte = -5")
    with_rules(line, {"range": {"column": "qte", "min": 0, "reject": True}})
    with pytest.raises(TooManyBadRowsError, match="200 of 200 rows cannot be loaded"):
        line.load(Mode.FULL)
    assert all(row[3] > 0 for row in line.ods_rows())
    assert logged(line)[-1]["Verdict"] == "SKIPPED"


def test_converted_columns_are_judged_as_ods_will_hold_them(line: Line) -> None:
    columns = [c.model_dump(exclude_unset=True) for c in article_spec().columns]
    columns[2] |= {"clean": {"trim": True, "null_tokens": ["?"]}}
    line.execute('UPDATE pub.article SET "Libelle" = %s WHERE cod_art = %s', " ? ", "A00002")
    line.spec = article_spec(columns=columns, quality=[{"not_null": {"column": "Libelle", "reject": True}}])
    result = line.load(Mode.FULL)
    assert result.outcome.quarantined == 1
    assert json.loads(line.platform.control.quarantine_entries("article")[0].row.payload)["Libelle"] == " ? "


def test_a_rule_whose_column_is_gone_is_skipped_and_says_so(line: Line) -> None:
    from dataclasses import replace

    from cbm_etl_assets.twin import store
    from cbm_etl_assets_tests.line_fixture import source_table

    line.load(Mode.FULL)
    table = source_table()
    with line.twin.pg() as conn:
        store.alter_table(conn, replace(table, columns=tuple(c for c in table.columns if c.name != "qte")), None)
    with_rules(line, {"not_null": ["qte", "Libelle"]}, {"range": {"column": "qte", "min": 0, "blocking": True}})
    assert line.load(Mode.FULL).status is Status.SUCCESS
    gone = "its column is gone from the source"
    assert [(r["RuleName"], r["Verdict"], r["Message"]) for r in logged(line)] == [
        ("not_null_qte", "SKIPPED", gone), ("not_null_Libelle", "VALID", "0 of 200 rows fail"), ("range_qte", "SKIPPED", gone),
    ]  # fmt: skip


def test_a_backfill_and_a_sweep_are_judged_for_what_they_are(line: Line) -> None:
    with_rules(line, {"range": {"column": "qte", "min": 1}}, "volume")
    line.load(Mode.FULL)
    line.load(Mode.PARTITION, "2026-01-02")
    row, volume = logged(line)[-2:]
    assert (row["PartitionKey"], row["RowsChecked"]) == ("2026-01-02", 24)
    assert (volume["Verdict"], volume["Message"]) == ("SKIPPED", "a load of mode 'partition' has no usual size")
    before = len(logged(line))
    line.load(Mode.SWEEP)
    assert len(logged(line)) == before


def test_the_quarantine_by_rule_is_no_difference_to_the_certificate(line: Line) -> None:
    from cbm_etl_assets.pipeline.verify import verify

    line.execute("UPDATE pub.article SET qte = -5 WHERE cod_art = %s", "A00009")
    with_rules(line, {"range": {"column": "qte", "min": 0, "reject": True}})
    line.load(Mode.FULL)
    found = verify(line.platform, line.spec)
    assert (found.equal, found.quarantined) == (True, 1)


def test_a_rule_that_rejects_everything_stops_while_staging(line: Line) -> None:
    line.execute("INSERT INTO pub.article SELECT 'B' || g, NULL, NULL, -1, timestamp '2026-01-01' FROM generate_series(1, 1500) g")
    with_rules(line, {"range": {"column": "qte", "min": 0, "reject": True}})
    with pytest.raises(TooManyBadRowsError, match=r"rules reject more than 1000 rows, first of all range_qte") as caught:
        line.load(Mode.FULL)
    assert "Nothing was changed" in caught.value.message
    assert line.leftovers() == []
