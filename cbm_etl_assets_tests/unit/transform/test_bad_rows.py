"""The row-level path: bad rows are named, the others keep the hashes they would have had alone."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from cbm_etl_assets.transform.bad_rows import hash_rows, value_text
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets_tests.specs import make_spec

COLUMNS: list[dict[str, Any]] = [
    {"name": "cod", "type": "varchar(10)"},
    {"name": "lig", "type": "integer", "source_type": "varchar(10)"},
    {"name": "px", "type": "decimal(6,2)", "extent": 2},
    {"name": "dat", "type": "date", "source_type": "varchar(10)", "clean": {"trim": True}},
    {"name": "mail", "type": "integer", "source_type": "varchar(80)", "mask": "null"},
]
GOOD = {"cod": "a", "lig": "1", "px": "1;2", "dat": "2026-01-31 ", "mail": "1"}


def transform_of(**changes: Any) -> RowTransform:
    fields = {"primary_key": ["cod", "lig"], "columns": COLUMNS, "cursor": None}
    return RowTransform(make_spec(**(fields | changes)), case_insensitive_keys=True)


def batch_of(*rows: dict[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([GOOD | row for row in rows], schema=pa.schema([(c["name"], pa.string()) for c in COLUMNS]))


def test_bad_rows_are_named_and_the_others_keep_their_hashes() -> None:
    rows: list[dict[str, Any]] = [
        {"lig": "1"}, {"lig": "2", "dat": "31/31/2026"}, {"lig": "3", "px": "1;2;3"}, {"lig": "4", "px": "1;12345.678"},
        {"cod": None}, {"lig": "x"}, {"lig": "7", "mail": "secret@example.org"}, {"lig": "8"},
    ]  # fmt: skip
    transform = transform_of()
    hashed = hash_rows(transform, batch_of(*rows))
    alone = [transform_of().hashes(batch_of(rows[i])) for i in (0, 7)]
    assert hashed.diff.to_pylist() == [alone[0][1][0].as_py(), *[None] * 6, alone[1][1][0].as_py()]
    assert (hashed.key[0], hashed.key[7]) == (alone[0][0][0], alone[1][0][0])
    assert [key is None for key in hashed.key.to_pylist()] == [False, False, False, False, True, True, False, False]
    assert [(b.column, b.error_class) for b in hashed.bad] == [
        ("dat", "ConversionError"), ("px", "ConversionError"), ("px", "ConversionError"), ("cod", "NullKeyError"),
        ("lig", "ConversionError"), ("mail", "ConversionError"),
    ]  # fmt: skip
    assert hashed.bad[0].message == "column 'dat': value '31/31/2026' does not fit the declared type date"
    assert "'1;2;3' does not hold 2 array elements" in hashed.bad[1].message
    assert [b.can_retry for b in hashed.bad] == [True, True, True, False, False, True]
    assert transform.cleaned == {"dat": 2}, "only the loaded rows count as cleaned, each once"


def test_a_key_hash_of_a_bad_row_is_that_of_the_good_row() -> None:
    bad = hash_rows(transform_of(), batch_of({"dat": "x"}, {"lig": "2"}))
    good = transform_of().hashes(batch_of({}))
    assert bad.key[0] == good[0][0]
    assert bad.bad[0].key_hash == good[0][0].as_py().hex()
    assert json.loads(bad.bad[0].key_json) == {"cod": "a", "lig": "1"}


def test_a_masked_value_stands_nowhere() -> None:
    secret = "secret@example.org"
    masked_key = [*COLUMNS[:4], {"name": "mail", "type": "varchar(80)", "mask": "hash"}]
    transform = transform_of(primary_key=["mail"], columns=masked_key)
    [by_key] = hash_rows(transform, batch_of({"mail": secret, "dat": "x"})).bad
    [by_value] = hash_rows(transform_of(), batch_of({"mail": secret})).bad
    assert secret not in repr(by_key) + repr(by_value)
    assert (by_key.can_retry, json.loads(by_key.key_json)) == (False, {"mail": "***"})
    assert json.loads(by_value.payload) == {"cod": "a", "lig": "1", "px": "1;2", "dat": "2026-01-31 ", "mail": "***"}


def test_rows_without_a_key_go_by_their_content() -> None:
    transform = transform_of(primary_key=[])
    one, other = hash_rows(transform, batch_of({"dat": "x"}, {"dat": "y"}, {})).bad
    assert one.key_hash != other.key_hash
    assert not one.can_retry


def test_a_long_value_is_cut_in_the_payload_and_says_so() -> None:
    [bad] = hash_rows(transform_of(), batch_of({"dat": "x" * 5000})).bad
    assert json.loads(bad.payload)["dat"] == "x" * 200 + "… (5000 characters)"
    assert len(bad.message) < 200


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.datetime(2026, 1, 2, 3, 4, 5, 6), "2026-01-02 03:04:05.000006"),
        (dt.datetime(2026, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2026-01-02 01:00:00.000000+00:00"),
        (dt.date(1, 1, 1), "0001-01-01"), (Decimal("1.50"), "1.50"), (True, "1"), (b"\x01", "01"), (None, None), (7, "7"),
    ],
)  # fmt: skip
def test_a_key_value_as_text(value: object, text: str | None) -> None:
    assert value_text(value) == text
