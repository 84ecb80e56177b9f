"""Hashes: golden values across library versions, and pairs that weaker schemes confuse."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from cbm_etl_assets.transform.hashing import comparable_text, occurrence_keys, row_hash


def digest(values: dict[str, Any], schema: dict[str, Any] | None = None) -> str:
    frame = pl.DataFrame({k: [v] for k, v in values.items()}, schema=schema)
    hashed: bytes = frame.select(row_hash([pl.col(c) for c in frame.columns])).to_series()[0]
    assert len(hashed) == 32
    return hashed.hex()


GOLDEN = [
    ({"a": 1}, "5072b1c1adf9e5f46e7f7a35e7851a4a6045e44e2d127842f11c31778c134f91"),
    ({"a": "abc", "b": None}, "ad787cdc8c164bcd0bfc73f85f2faf99d28c4fc12613a8fd3c25993366c8f8f0"),
    ({"a": Decimal("1.50")}, "a8c453b4d805402a3caaa44b5c4080470ae24b7fe1ceb09f83d5a45442eb262e"),
    (
        {"a": dt.date(2026, 3, 1), "b": dt.datetime(2026, 3, 1, 12, 30, 0, 123456)},
        "de21e3022b213936f794b6c125bba8fb4bd4daf0cdf7c079e94ed4ff6049f48b",
    ),
    ({"a": True, "b": b"\x00\xff", "c": 0.5, "d": "é€😀"}, "d426a21f77d2f6b953f351a6bfb867ed2160448abbccc94e45058e6b8eb03844"),
]


@pytest.mark.parametrize(("values", "expected"), GOLDEN)
def test_hashes_do_not_change_with_library_versions(values: dict[str, Any], expected: str) -> None:
    schema = {k: (pl.String if v is None else None) for k, v in values.items()}
    assert digest(values, dict(schema.items()) if any(schema.values()) else None) == expected


DIFFERENT = [
    ({"a": None, "b": ""}, {"a": "", "b": None}),
    ({"a": None}, {"a": ""}),
    ({"a": "a", "b": "bc"}, {"a": "ab", "b": "c"}),
    ({"a": "a|b", "b": "c"}, {"a": "a", "b": "b|c"}),
    ({"a": r"\N"}, {"a": None}),
    ({"a": "^^"}, {"a": ""}),
    ({"a": "x"}, {"a": "x "}),
    ({"a": "x"}, {"a": "X"}),
    ({"a": "1", "b": None}, {"a": None, "b": "1"}),
]


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different_rows_hash_differently(left: dict[str, Any], right: dict[str, Any]) -> None:
    schema = dict.fromkeys(left, pl.String)
    assert digest(left, schema) != digest(right, schema)


SAME = [
    (1, pl.Int32, pl.Int64),
    (Decimal("1.5"), pl.Decimal(10, 2), pl.Decimal(38, 10)),
    (dt.datetime(2026, 1, 1), pl.Datetime("ms"), pl.Datetime("us")),
    (0.5, pl.Float32, pl.Float64),
]


@pytest.mark.parametrize(("value", "left", "right"), SAME)
def test_widening_a_column_rewrites_nothing(value: Any, left: Any, right: Any) -> None:
    assert digest({"a": value}, {"a": left}) == digest({"a": value}, {"a": right})


def test_negative_zero_equals_zero() -> None:
    assert digest({"a": -0.0}) == digest({"a": 0.0})


def test_keys_compare_as_openedge_does() -> None:
    frame = pl.DataFrame({"k": ["ABC  ", "abc", "ß", "ss", " abc"]})
    assert frame.select(comparable_text("k")).to_series().to_list() == ["abc", "abc", "ß", "ss", " abc"]


def test_occurrence_keys_are_a_multiset_independent_of_order() -> None:
    one, two = b"1" * 32, b"2" * 32
    left = set(occurrence_keys(pl.Series([one, two, one])).to_list())
    right = set(occurrence_keys(pl.Series([one, one, two])).to_list())
    assert left == right
    assert len(left) == 3
    assert set(occurrence_keys(pl.Series([one, two])).to_list()) < left
