"""TF23, TF24: rows with values the warehouse cannot hold are bad rows; where it can hold them nothing happens."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from cbm_etl_assets.metadata.types import Unstorable
from cbm_etl_assets.transform.bad_rows import hash_rows
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets_tests.specs import make_spec

COLUMNS: list[dict[str, Any]] = [{"name": "k", "type": "integer"}, {"name": "t", "type": "varchar(20)"}, {"name": "x", "type": "double"}]
ROWS = pa.record_batch({
    "k": pa.array([1, 2, 3, 4, 5], pa.int32()), "t": pa.array(["a", "a\0b", None, "d", "e"]),
    "x": pa.array([1.0, 2.0, math.nan, math.inf, None]),
})  # fmt: skip


def bad(*kinds: Unstorable, **masked: str) -> list[tuple[str, str]]:
    columns = [c | ({"mask": masked[c["name"]]} if c["name"] in masked else {}) for c in COLUMNS]
    spec = make_spec(columns=columns, primary_key=["k"], cursor=None)
    hashed = hash_rows(RowTransform(spec, case_insensitive_keys=False, unstorable=kinds), ROWS)
    assert hashed.diff.null_count == len(hashed.bad)
    assert hashed.key.null_count == 0
    return [(row.key_json, row.message) for row in hashed.bad]


def test_nothing_is_left_out_where_everything_can_be_stored() -> None:
    assert bad() == []


def test_tf23_text_with_nul_is_left_out_and_named() -> None:
    assert bad(Unstorable.NUL_TEXT) == [('{"k": "2"}', "column 't': value 'a\\x00b' cannot be stored in the warehouse")]


def test_tf24_numbers_that_are_not_finite_are_left_out() -> None:
    assert [key for key, _ in bad(Unstorable.NON_FINITE)] == ['{"k": "3"}', '{"k": "4"}']


def test_a_mask_that_hides_the_value_hides_the_character_too() -> None:
    assert bad(Unstorable.NUL_TEXT, t="hash") == []
