"""The arithmetic of table rules: usual sizes, business days, verdicts; and what stops a load before its rules."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

import pytest

from cbm_etl_assets.control.port import PastLoad, QualityRow
from cbm_etl_assets.errors import MassDeleteError, SourceSchemaError, TransientSourceError
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import LoadOptions
from cbm_etl_assets.pipeline.validate import Validation
from cbm_etl_assets.quality.look import Finding, key_text
from cbm_etl_assets.quality.report import QualityReport, RuleResult, Verdict, judged, worst
from cbm_etl_assets.quality.table_kinds import business_age
from cbm_etl_assets.quality.volume import judge_volume
from cbm_etl_assets_tests.specs import make_spec

MONDAY = dt.datetime(2026, 11, 16, 2)
WORKDAYS = frozenset(range(5))


def history(rows: list[int], every_days: int = 1) -> list[PastLoad]:
    return [PastLoad(MONDAY - dt.timedelta(days=every_days * (i + 1)), n) for i, n in enumerate(rows)]


@pytest.mark.parametrize(("rows", "past", "is_usual"), [
    (1000, [1000] * 9, True),
    (1030, [1000] * 9, True),  # 5 % of a size that never varies
    (400, [1000] * 9, False),
    (0, [1000] * 9, False),
    (1500, [1000, 900, 1100, 1000, 950, 1050, 1000, 990, 1010], False),
    (1100, [1000, 900, 1100, 1000, 950, 1050, 1000, 990, 1010], True),
    (1000, [1000, 900, 1100, 1000, 950, 1050, 1000, 990, 90_000], True),  # one outlier of the past changes nothing
    (3, [0, 1, 2, 0, 1, 3, 2, 1, 0], True),
])  # fmt: skip
def test_the_usual_size_of_a_load(rows: int, past: list[int], is_usual: bool) -> None:
    found = judge_volume(rows, history(past), MONDAY, max_z=4, min_loads=8, weekday=True)
    assert found.score is not None
    assert (abs(found.score) <= 4) is is_usual


def test_mondays_are_compared_with_mondays_once_there_are_four() -> None:
    past = [PastLoad(MONDAY - dt.timedelta(days=d), 5000 if d % 7 == 0 else 100) for d in range(1, 40)]
    as_monday = judge_volume(5000, past, MONDAY, max_z=4, min_loads=8, weekday=True)
    as_any_day = judge_volume(5000, past, MONDAY, max_z=4, min_loads=8, weekday=False)
    assert "5 Mondays" in as_monday.said
    assert as_monday.score == 0
    assert as_any_day.score is not None
    assert as_any_day.score > 4


def test_too_little_history_is_said() -> None:
    assert judge_volume(5, history([1] * 7), MONDAY, max_z=4, min_loads=8, weekday=True).said == "7 past loads, 8 needed"


@pytest.mark.parametrize(("moment", "now", "days", "holidays", "hours"), [
    (MONDAY, MONDAY + dt.timedelta(hours=5), WORKDAYS, (), 5),
    (dt.datetime(2026, 11, 13, 18), dt.datetime(2026, 11, 16, 9), WORKDAYS, (), 6 + 9),  # Friday evening to Monday morning
    (dt.datetime(2026, 11, 13, 18), dt.datetime(2026, 11, 16, 9), frozenset(range(7)), (), 63),
    (dt.datetime(2026, 11, 13, 18), dt.datetime(2026, 11, 16, 9), WORKDAYS, (dt.date(2026, 11, 16),), 6),
    (MONDAY, MONDAY - dt.timedelta(days=3), WORKDAYS, (), 0),
])  # fmt: skip
def test_age_counts_days_of_business_only(
    moment: dt.datetime, now: dt.datetime, days: frozenset[int], holidays: tuple[dt.date, ...], hours: float
) -> None:
    assert business_age(moment, now, days, frozenset(holidays)).total_seconds() / 3600 == hours


def test_the_worst_verdict_is_the_report_s() -> None:
    assert worst([Verdict.VALID, Verdict.SKIPPED]) is Verdict.VALID
    assert worst([Verdict.WARNING, Verdict.VALID]) is Verdict.WARNING
    assert worst([Verdict.WARNING, Verdict.FAILED]) is Verdict.FAILED
    assert worst([]) is Verdict.SKIPPED


def test_severity_and_thresholds_make_the_verdict() -> None:
    warn, error = make_spec(quality=[{"row_count": {"min": 1}}, {"unique": {"columns": ["nom"], "severity": "error", "max_rows": 3}}]).rules
    assert judged(warn, "ods", Finding(1, 1), 0).verdict is Verdict.WARNING
    assert judged(error, "ods", Finding(9, 4), 0).verdict is Verdict.FAILED
    assert judged(error, "ods", Finding(9, 3), 0).verdict is Verdict.VALID
    assert judged(error, "ods", Finding(skipped="why"), 0).verdict is Verdict.SKIPPED
    assert not judged(error, "ods", Finding(9, 4), 0).blocks


def test_masked_keys_are_never_shown() -> None:
    columns = [{"name": "iban", "type": "varchar(64)", "mask": "hash"}, {"name": "no", "type": "integer"}]
    assert key_text(make_spec(primary_key=["iban", "no"], cursor=None, columns=columns), ("FR76", 3)) == "***, 3"
    assert key_text(make_spec(primary_key=[], cursor=None), (b"\xab" * 32,)) == "ab" * 8


STOPPED = "the load stopped before:"


class _Log:
    """The control database's part in `finish`."""

    def __init__(self) -> None:
        self.rows: list[QualityRow] = []

    def add_quality(self, rows: list[QualityRow]) -> None:
        self.rows += rows


@pytest.mark.parametrize(("error", "reachable", "catalogue"), [
    (TransientSourceError("link lost\n  -> run again"), ("FAILED", "link lost"), ("SKIPPED", f"{STOPPED} TransientSourceError")),
    (SourceSchemaError("no such table"), ("SKIPPED", f"{STOPPED} SourceSchemaError"), ("WARNING", "no such table")),
    (MassDeleteError("no"), ("SKIPPED", f"{STOPPED} MassDeleteError"), ("SKIPPED", f"{STOPPED} MassDeleteError")),
])  # fmt: skip
def test_what_stops_a_load_answers_the_rule_that_asks_for_it(
    error: Exception, reachable: tuple[str, str], catalogue: tuple[str, str]
) -> None:
    spec = make_spec(quality=[{"source_reachable": {"severity": "error"}}, "catalogue_equals_spec", {"not_null": "nom"}])
    log, reports = _Log(), list[QualityReport]()
    platform: Any = type("P", (), {"control": log})()
    Validation(cast(Platform, platform), spec.rules, LoadOptions(on_quality=reports.append), "run", spec).finish(error)
    [report] = reports
    assert [(r.verdict.value, r.message) for r in report.results[:2]] == [reachable, catalogue]
    assert report.results[2].verdict is Verdict.SKIPPED
    assert [row.rule_name for row in log.rows] == [r.rule.name for r in report.results]


def test_a_result_without_rows_has_no_percent() -> None:
    [rule] = make_spec(quality=["volume"]).rules
    assert RuleResult(rule, "stg", Verdict.VALID).percent == 0.0
