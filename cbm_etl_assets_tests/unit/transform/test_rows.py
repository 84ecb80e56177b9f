"""RowTransform and the conversions under it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbm_etl_assets.errors import ConversionError, NullKeyError
from cbm_etl_assets.metadata.extents import join_extent
from cbm_etl_assets.metadata.spec import Clean, Mask
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.transform import convert
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets_tests.specs import make_spec


def raw(**columns: list[Any]) -> pa.RecordBatch:
    return pa.record_batch(columns)


ARRAY_COLUMNS = [
    {"name": "cod_cli", "type": "bigint"},
    {"name": "px", "type": "decimal(10,2)", "extent": 3},
    {"name": "mot-cle", "type": "varchar(10)", "clean": {"trim": True, "null_tokens": ["?", "---"]}},
    {"name": "mail", "type": "varchar(80)", "mask": "hash"},
    {"name": "dat", "type": "date", "source_type": "varchar(10)", "clean": {"null_tokens": ["00/00/0000"]}},
]


def test_extents_cleaning_types_and_masks() -> None:
    transform = RowTransform(make_spec(columns=ARRAY_COLUMNS, cursor=None), case_insensitive_keys=True)
    out = transform.columns(
        raw(cod_cli=[1, 2], px=["123.45;?;-2", None], **{"mot-cle": [" a ", "---"]}, mail=["x@y", None], dat=["31/12/2025", "00/00/0000"])
    )
    assert out.columns == ["cod_cli", "px_1", "px_2", "px_3", "mot_cle", "mail", "dat"]
    assert out.row(0)[:5] == (1, Decimal("123.45"), None, Decimal("-2.00"), "a")
    assert len(out.row(0)[5]) == 64
    assert out.row(0)[6] == dt.date(2025, 12, 31)
    assert out.row(1) == (2, None, None, None, None, None, None)
    assert transform.cleaned == {"mot_cle": 2, "dat": 1}


@given(st.lists(st.none() | st.text(alphabet="ab;~?\x01", max_size=5), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_arrays_come_back_whole(elements: list[str | None]) -> None:
    text = pl.Series("x", [join_extent(elements)], dtype=pl.String)
    assert [part[0] for part in convert.split_elements(text, len(elements))] == elements


def test_an_array_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ConversionError, match="'px': 1 rows hold another number"):
        convert.split_elements(pl.Series("px", ["1;2;3", "1;2"]), 3)


@pytest.mark.parametrize(("text", "kind"), [
    ("1.555", "decimal(10,2)"), ("12345", "decimal(4,0)"), ("1e-5", "decimal(10,2)"), ("abc", "integer"), ("31/02/2026", "date"),
    ("maybe", "boolean"),
])  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_never_rounded(text: str, kind: str) -> None:
    with pytest.raises(ConversionError, match="do not fit the declared type"):
        convert.to_type(pl.Series("x", [text]), LogicalType.parse(kind))


@pytest.mark.parametrize(("text", "kind", "value"), [
    ("1,50", "decimal(10,2)", Decimal("1.50")), ("-.5", "decimal(5,2)", Decimal("-0.50")), ("2026-03-01", "date", dt.date(2026, 3, 1)),
    ("oui", "boolean", True), ("No", "boolean", False), ("42", "integer", 42),
])  # fmt: skip
def test_text_converts_exactly(text: str, kind: str, value: Any) -> None:
    assert convert.to_type(pl.Series("x", [text]), LogicalType.parse(kind)).to_list() == [value]


def test_a_narrowing_number_is_refused() -> None:
    with pytest.raises(ConversionError):
        convert.to_type(pl.Series("x", [1.555]), LogicalType.parse("decimal(5,2)"))


@pytest.mark.parametrize(("how", "expected"), [(Mask.REDACT, "***"), (Mask.NULL, None), (Mask.PARTIAL, "j***r")])
def test_masks_keep_null_and_hide_the_rest(how: Mask, expected: str | None) -> None:
    assert convert.mask(pl.Series("m", ["jean@x.fr", None]), how).to_list() == [expected, None]


def test_cleaning_counts_what_it_changed() -> None:
    values, changed = convert.clean(pl.Series("x", ["?", " a", "b", None]), Clean(trim=True, null_tokens=("?",)))
    assert values.to_list() == [None, "a", "b", None]
    assert changed == 2


def test_the_key_hash_ignores_case_and_padding_only_where_declared() -> None:
    columns = [{"name": "k", "type": "varchar(9)"}, {"name": "v", "type": "integer"}]
    batch = raw(k=["Ab ", "ab"], v=[1, 1])
    loose = RowTransform(make_spec(columns=columns, primary_key=["k"], cursor=None), case_insensitive_keys=True).hashes(batch)[0]
    strict = RowTransform(make_spec(columns=columns, primary_key=["k"], cursor=None), case_insensitive_keys=False).hashes(batch)[0]
    declared = [{"name": "k", "type": "varchar(9)", "case_sensitive": True}, columns[1]]
    own = RowTransform(make_spec(columns=declared, primary_key=["k"], cursor=None), case_insensitive_keys=True).hashes(batch)[0]
    assert loose[0] == loose[1]
    assert strict[0] != strict[1]
    assert own[0] != own[1]


def test_a_reordered_source_column_changes_no_hash() -> None:
    columns = [{"name": n, "type": "integer"} for n in ("cod_cli", "a", "b")]
    left = RowTransform(make_spec(columns=columns, cursor=None), case_insensitive_keys=True).hashes(raw(cod_cli=[1], a=[2], b=[3]))
    right = RowTransform(make_spec(columns=[columns[2], columns[0], columns[1]], cursor=None), case_insensitive_keys=True).hashes(
        raw(b=[3], cod_cli=[1], a=[2])
    )
    assert left == right


def test_a_null_key_is_named() -> None:
    with pytest.raises(NullKeyError, match="1 rows have NULL in key column 'cod_cli'"):
        RowTransform(make_spec(cursor=None, columns=[{"name": "cod_cli", "type": "bigint"}]), case_insensitive_keys=True).hashes(
            raw(cod_cli=pa.array([1, None], pa.int64()))
        )
