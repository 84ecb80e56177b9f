"""`cbm-etl validate`: rules on what ODS holds now, without a load; the log, the report, the exit code."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.cli.app import main
from cbm_etl_assets.cli.runtime import Runtime
from cbm_etl_assets.errors import TransientSourceError
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.pipeline.validation_run import ValidationMode, validate_tables
from cbm_etl_assets_tests.line_fixture import Line, article_spec, line

__all__ = ["line"]
pytestmark = pytest.mark.integration
RULES = [
    "source_reachable", {"range": {"column": "qte", "min": 1, "severity": "error", "blocking": False}}, {"not_null": ["Libelle"]}, "volume",
    {"row_count": {"min": 1}},
]  # fmt: skip


def cli(line: Line, arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    runtime = Runtime(load_settings=lambda _: line.settings(), load_catalog=lambda _: {line.spec.name: line.spec}, starts_readers=False)
    code = main(arguments, runtime)
    return code, capsys.readouterr().out


def test_rules_are_judged_on_live_rows_and_reported(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.spec = article_spec(quality=RULES)
    line.execute('UPDATE pub.article SET "Libelle" = %s WHERE cod_art = %s', "<script>alert(1)</script>", "A00004")
    line.load(Mode.FULL)
    code, out = cli(line, ["validate", "article", "--json"], capsys)
    told = json.loads(out)
    assert (code, told["ok"], told["exit_code"]) == (1, False, 1)
    quality = told["tables"][0]["quality"]
    assert quality["verdict"] == "FAILED"
    broken = {r["rule"]: (r["verdict"], r["layer"], r["rows_failed"]) for r in quality["not_valid"]}
    assert broken == {"range_qte": ("FAILED", "ods", 7), "volume": ("SKIPPED", "ods", 0)}
    page = Path(told["report"]).read_text(encoding="utf-8")
    assert Path(told["report"]).parent == line.home / "reports"
    assert "range_qte" in page
    assert "http" not in page.replace("http-equiv", "")
    rows = line.platform.control.query("SELECT RunId, Layer, RuleName FROM etl.DataQuality_Log ORDER BY LogId DESC")
    assert {str(r["RuleName"]) for r in rows[:5]} == {"source_reachable", "range_qte", "not_null_Libelle", "volume", "row_count"}
    code, out = cli(line, ["validate", "--filter", "critical"], capsys)
    assert code == 2


def test_incremental_looks_at_what_the_last_load_wrote(line: Line) -> None:
    line.load(Mode.FULL)
    line.spec = article_spec(quality=[{"range": {"column": "qte", "min": 1}}])
    now = line.platform.source.clock()
    line.execute("UPDATE pub.article SET qte = -1, dat_mod = %s WHERE cod_art = %s", now, "A00150")
    line.load(Mode.INCREMENTAL)
    [full] = validate_tables(line.platform, [line.spec], ValidationMode.FULL)
    [last] = validate_tables(line.platform, [line.spec], ValidationMode.INCREMENTAL)
    assert (full.results[0].checked, full.results[0].failed) == (200, 8)
    assert (last.results[0].checked, last.results[0].failed, last.results[0].samples) == (1, 1, ("A00150",))


def test_a_table_never_loaded_and_one_without_rules_are_said_so(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.spec = article_spec(quality=[{"not_null": ["qte"]}])
    line.platform.control.upgrade()
    [report] = validate_tables(line.platform, [line.spec], ValidationMode.FULL)
    assert [(r.verdict, r.message) for r in report.results] == [("SKIPPED", "the table was never loaded")]
    line.spec = article_spec()
    code, out = cli(line, ["validate"], capsys)
    assert code == 0
    assert "Without any rule: article" in out


def test_suggestions_come_from_the_data_and_are_tried_on_raw_files(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.execute('UPDATE pub.article SET "gencod-v" = lpad(substr(cod_art, 2), 13, %s)', "3")
    line.load(Mode.FULL)
    line.execute("UPDATE pub.article SET qte = -1 WHERE cod_art = %s", "A00008")
    line.load(Mode.FULL)
    line.execute("UPDATE pub.article SET qte = 1 WHERE cod_art = %s", "A00008")
    line.load(Mode.FULL)
    code, out = cli(line, ["quality", "suggest", "article", "--json"], capsys)
    told = json.loads(out)
    assert (code, told["rows"], told["loads"]) == (0, 200, 3)
    rules = {json.dumps(r["line"]): (r["tried"], r["fired"]) for r in told["rules"]}
    assert rules['{"range": {"column": "qte", "min": 0}}'] == (3, 1)
    assert rules['{"pattern": {"column": "cod_art", "regex": "A\\\\d{5}"}}'] == (3, 0)
    assert rules['{"pattern": {"column": "gencod-v", "regex": "\\\\d{13}"}}'] == (3, 0)
    assert rules['"duplicate_keys"'] == (0, 0)
    assert rules['{"not_null": ["gencod-v", "Libelle", "qte", "dat_mod"]}'] == (3, 0)
    written = Path(told["file"]).read_text(encoding="utf-8")
    assert "  # - range: {column: qte, min: 0}  # 0.125 to 25.000, 0 below 0; would have fired 1 time in 3 loads\n" in written
    import yaml

    kept = yaml.safe_load(written)["quality"]
    line.spec = article_spec(quality=kept)  # what was written is what a spec takes
    assert line.load(Mode.FULL).status == "success"
    again = json.loads(cli(line, ["quality", "suggest", "article", "--json"], capsys)[1])
    assert [r["line"] for r in again["rules"]] == [{"range": {"column": "qte", "min": 0}}]


def test_run_tells_what_the_rules_found_and_may_skip_them(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.spec = article_spec(quality=[{"range": {"column": "qte", "min": 1, "blocking": True}}])
    code, out = cli(line, ["run", "article", "--mode", "full", "--json"], capsys)
    [told] = json.loads(out)["tables"]
    assert (code, told["status"], told["error"]["class"]) == (1, "failed", "QualityError")
    assert "cbm-etl run article --skip-validation loads it" in told["error"]["message"]
    code, out = cli(line, ["run", "article", "--mode", "full", "--skip-validation", "--json"], capsys)
    [told] = json.loads(out)["tables"]
    assert (code, told["status"], told["quality"]["verdict"]) == (0, "success", "SKIPPED")
    assert [r["message"] for r in told["quality"]["not_valid"]] == ["skipped by --skip-validation"]
    line.spec = article_spec(quality=[{"row_count": {"min": 500, "blocking": True}}])
    code, out = cli(line, ["run", "article", "--mode", "full", "--json"], capsys)
    [told] = json.loads(out)["tables"]
    assert (code, told["status"], told["quality"]["verdict"]) == (1, "failed", "FAILED")
    assert "the data is in, what depends on it is held back" in told["error"]["message"]


class _Down:
    """A source that does not answer."""

    def clock(self) -> dt.datetime:
        raise TransientSourceError("link lost", remedy="run again")


def test_a_source_that_does_not_answer_breaks_its_rules_and_no_others(line: Line) -> None:
    line.load(Mode.FULL)
    spec = article_spec(quality=[{"source_reachable": {"severity": "error"}}, "key_unique", "column_drift", {"not_null": ["qte"]}])
    source: Any = _Down()
    [report] = validate_tables(replace(line.platform, source=source), [spec], ValidationMode.FULL)
    assert [(r.rule.kind, r.verdict.value, r.message) for r in report.results] == [
        ("source_reachable", "FAILED", "link lost"), ("key_unique", "WARNING", "link lost"), ("column_drift", "VALID", "none waits"),
        ("not_null", "VALID", "0 of 200 rows fail"),
    ]  # fmt: skip
