"""Row rules on frames: what each kind means at its edges, what cannot be judged, and what nothing may cost."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cbm_etl_assets.quality.look import Sight
from cbm_etl_assets.quality.rows import RowRules
from cbm_etl_assets_tests.specs import make_spec

ROOT = Path(__file__).parents[3]
NOW = dt.datetime(2026, 11, 21, 8)
MODULES = ("cbm_etl_assets_tests.custom_rules",)
COLUMNS = [
    {"name": "id", "type": "integer"}, {"name": "prix", "type": "decimal(12,3)"}, {"name": "jour", "type": "date"},
    {"name": "code", "type": "varchar(20)"}, {"name": "taux", "type": "double"}, {"name": "vu", "type": "timestamptz"},
]  # fmt: skip
FRAME = pl.DataFrame({
    "id": pl.Series([1, 2, 3, None], dtype=pl.Int32),
    "prix": pl.Series([Decimal("0.100"), Decimal("-0.001"), Decimal("12.000"), None], dtype=pl.Decimal(12, 3)),
    "jour": pl.Series([dt.date(2026, 11, 21), dt.date(2026, 11, 22), dt.date(1900, 1, 1), None]),
    "code": ["A1", "b22", "A1\n", None],
    "taux": [0.1, 0.2, float("nan"), None],
    "vu": pl.Series([dt.datetime(2026, 11, 20), dt.datetime(2027, 1, 1), dt.datetime(2020, 1, 1), None]).dt.replace_time_zone("UTC"),
})  # fmt: skip


def rules(*lines: Any) -> RowRules:
    spec = make_spec(primary_key=["id"], cursor=None, columns=COLUMNS, quality=list(lines))
    return RowRules(spec.rules, Sight(dict(spec.target_columns), NOW, MODULES))


def failing(line: Any) -> list[int]:
    """Rows (from 0) that fail it."""
    judge = rules(line)
    found = judge.look(FRAME, FRAME.select("id"))
    assert judge.broken == {}
    return [int(i) for mask in found.values() for i in mask.arg_true()]


@pytest.mark.parametrize(("line", "rows"), [
    ({"not_null": "prix"}, [3]),
    ({"min_fill_rate": {"column": "prix", "percent": 80}}, [3]),
    ({"range": {"column": "prix", "min": 0.1}}, [1]),
    ({"range": {"column": "prix", "max": 11.9995}}, [2]),
    ({"range": {"column": "jour", "min": "1990-01-01", "max": "today"}}, [1, 2]),
    ({"range": {"column": "jour", "max": "today+1d"}}, []),
    ({"range": {"column": "jour", "min": dt.date(1990, 1, 1)}}, [2]),
    ({"range": {"column": "vu", "max": "now"}}, [1]),
    ({"range": {"column": "taux", "max": 0.1}}, [1, 2]),
    ({"allowed_values": {"column": "id", "values": [1, 2]}}, [2]),
    ({"allowed_values": {"column": "prix", "values": [0.1, 12, -0.001]}}, []),
    ({"allowed_values": {"column": "code", "values": ["A1", "B22"]}}, [1, 2]),
    ({"pattern": {"column": "code", "regex": r"[A-Z]\d|b\d"}}, [1, 2]),
    ({"length": {"column": "code", "min": 3, "max": 3}}, [0]),
    ({"type": {"column": "code", "of": "integer"}}, [0, 1, 2]),
    ({"expression": "prix >= 0 OR id = 2"}, []),
    ({"expression": "id < 3 AND code = 'A1'"}, [1, 2]),
    ({"custom": {"function": "cbm_etl_assets_tests.custom_rules:within", "columns": ["prix"], "arguments": {"most": 10}}}, [2]),
])  # fmt: skip
def test_which_rows_fail(line: Any, rows: list[int]) -> None:
    assert failing(line) == rows


@pytest.mark.parametrize(("line", "said"), [
    ({"expression": "nope > 1"}, "unknown column 'nope'"),
    ({"expression": "sum(id) > 1"}, "gives no truth value for each row"),
    ({"expression": "id + 1"}, "gives no truth value for each row"),
    ({"expression": "SELECT 1"}, "expression 'SELECT 1'"),
    ({"expression": "read_csv('/etc/passwd') = 1"}, "unsupported function"),
    ({"expression": "jour > 'abc'"}, "cannot compare"),
    ({"range": {"column": "code", "min": 3}}, "range_code"),
    ({"custom": {"function": "os:system", "columns": ["code"]}}, "module 'os' may not be called"),
    ({"custom": {"function": "cbm_etl_assets_tests.custom_rules_evil:x", "columns": ["code"]}}, "may not be called"),
    ({"custom": {"function": "cbm_etl_assets_tests.custom_rules:nothing", "columns": ["code"]}}, "has no attribute 'nothing'"),
    ({"custom": {"function": "cbm_etl_assets_tests.custom_rules:no_expression", "columns": ["code"]}}, "must give a polars expression"),
    ({"custom": {"function": "cbm_etl_assets_tests.custom_rules:within", "columns": ["code"], "arguments": {"nope": 1}}}, "TypeError"),
])  # fmt: skip
def test_a_rule_that_cannot_be_judged_says_why_and_stops_no_other(line: Any, said: str) -> None:
    judge = rules(line, {"not_null": "code"})
    found = judge.look(FRAME, FRAME.select("id"))
    assert list(found) == ["not_null_code"]
    [(_, why)] = judge.broken.items()
    assert said in why


def test_a_rule_that_fails_on_a_value_is_given_up_and_the_others_go_on() -> None:
    judge = rules({"expression": "CAST(code AS INTEGER) > 0"}, {"not_null": "code"})
    for _ in range(2):
        assert list(judge.look(FRAME, FRAME.select("id"))) == ["not_null_code"]
    assert "fails on a value" in judge.broken["expression"]
    assert judge.tallies["not_null_code"].failed == 2


def test_tallies_add_up_over_batches_and_samples_stop_at_ten() -> None:
    judge = rules({"range": {"column": "id", "max": 0}})
    for start in range(0, 30, 7):
        part = pl.DataFrame({"id": pl.Series(range(start + 1, start + 8), dtype=pl.Int32)})
        judge.look(part, part)
    judge.look(FRAME.head(0), FRAME.head(0).select("id"))
    tally = judge.tallies["range_id"]
    assert (tally.checked, tally.failed, tally.samples) == (35, 35, [(n,) for n in range(1, 11)])


def test_only_the_columns_of_the_rules_are_asked_for() -> None:
    assert rules({"not_null": "code"}, {"expression": "prix > 0"}).columns == ("prix", "code")


def test_a_table_without_rules_imports_no_pandera() -> None:
    script = (
        "import sys; import cbm_etl_assets.pipeline.load, cbm_etl_assets.pipeline.validate; "
        "from cbm_etl_assets_tests.specs import make_spec; make_spec().rules; make_spec(quality=['duplicate_keys']).rules; "
        "sys.exit(sorted(m for m in ('pandera', 'polars') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
