"""What is proposed from a column's values, and what is not."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from cbm_etl_assets.metadata.spec import ColumnSpec
from cbm_etl_assets.quality.suggest import propose, text_shape

NOW = dt.datetime(2026, 11, 21)
DAYS = [dt.date(2026, 1, 1) + dt.timedelta(days=i % 300) for i in range(1000)]


def lines(values: list[Any] | pl.Series, kind: str, name: str = "c", **changes: Any) -> list[Any]:
    column = ColumnSpec.model_validate({"name": name, "type": kind} | changes)
    series = values if isinstance(values, pl.Series) else pl.Series(name, values)
    return [p.line for p in propose(column, column.target_name, series, NOW, is_key=False)]


def test_numbers_propose_their_sign_percentages_their_bounds() -> None:
    assert lines([i % 90 for i in range(1000)], "integer")[1:] == [{"range": {"column": "c", "min": 0}}]
    assert lines([i % 90 for i in range(1000)], "integer", "tx_rem")[1:] == [{"range": {"column": "tx_rem", "min": 0, "max": 100}}]
    assert lines([-1] + [i % 90 for i in range(1999)], "integer")[1:] == [{"range": {"column": "c", "min": 0, "max_percent": 0.1}}]
    assert lines([i - 500 for i in range(1000)], "integer", mask=None)[1:] == [{"unique": ["c"]}]
    assert lines(pl.Series("c", [Decimal(i) for i in range(100)], dtype=pl.Decimal(9, 2)), "decimal(9,2)")[1:] == [
        {"range": {"column": "c", "min": 0}}
    ]


def test_dates_propose_a_year_and_today() -> None:
    assert lines(DAYS, "date")[1:] == [{"range": {"column": "c", "min": "2026-01-01", "max": "today"}}]
    ahead = [day + dt.timedelta(days=100) for day in DAYS]
    assert lines(ahead, "date")[1:] == [{"range": {"column": "c", "min": "2026-01-01", "max": "today+90d"}}]
    junk = [dt.date(1900, 1, 1), *DAYS, *DAYS]
    assert lines(junk, "date")[1:] == [{"range": {"column": "c", "min": "2026-01-01", "max": "today", "max_percent": 0.1}}]


def test_code_lists_and_fill_rates() -> None:
    values = ["S", "P", None, "L"] + ["S", "P", "L", "F"] * 50
    assert lines(values, "varchar(4)") == [
        {"min_fill_rate": {"column": "c", "percent": 98}}, {"allowed_values": {"column": "c", "values": ["F", "L", "P", "S"]}},
    ]  # fmt: skip
    assert lines([None, "x"] * 500, "varchar(4)") == []  # a constant says nothing, half filled promises nothing


@pytest.mark.parametrize("values", [[1] * 10, [None] * 100, [7] * 100, list(range(20))])
def test_too_few_rows_empty_and_constant_columns_propose_nothing(values: list[Any]) -> None:
    assert lines(values, "integer") == []


def test_a_masked_column_is_never_read_for_its_values() -> None:
    assert lines([f"FR76{i:04d}" for i in range(500)], "varchar(64)", mask="redact") == [{"not_null": ["c"]}]


@pytest.mark.parametrize(("values", "regex"), [
    ([f"P{i:07d}" for i in range(300)], r"P\d{7}"),
    ([f"{i}" for i in range(1, 300)], r"\d{1,3}"),
    ([f"+33 {i:08d}" for i in range(300)], r"\+\d{2} \d{8}"),
    ([f"{'AB' if i % 2 else 'CD'}-{i:03d}/{i % 7}" for i in range(300)], r"[A-Z]{2}\-\d{3}/\d{1}"),
    ([f"libellé {i}" for i in range(300)], None),
    ([f"A{i}" if i % 2 else f"{i}A" for i in range(300)], None),
    (["", *[f"{i:013d}" for i in range(299)]], None),
])  # fmt: skip
def test_the_shape_of_a_code(values: list[str], regex: str | None) -> None:
    import re

    found = text_shape(pl.Series(values))
    assert (found and found[0]) == regex
    assert regex is None or all(re.fullmatch(regex, value) for value in values)
