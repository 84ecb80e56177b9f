"""RawCaster.cast_rows: values the declared source type cannot hold are named row by row."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from cbm_etl_assets.errors import ConversionError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.source.binding import RawCaster
from cbm_etl_assets.source.readers import _rows_to_batch

SPEC = TableSpec.model_validate({"table": "t", "columns": [
    {"name": "a", "type": "decimal(5,2)"}, {"name": "b", "type": "integer", "mask": "null"}, {"name": "c", "type": "varchar(5)"},
]})  # fmt: skip


def bound(*rows: tuple[str | None, int | None, str]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True))
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[0], pa.string()), pa.array(columns[1], pa.int64()), pa.array(columns[2], pa.string())], names=["a", "b", "c"]
    )


def test_what_does_not_fit_is_null_and_named_the_rest_is_exact() -> None:
    batch = bound(("1.25", 1, "x"), ("NaN", 2, "y"), (None, 2**40, "z"), ("1.234", 4, ""), ("-9.5", None, "é"))
    with pytest.raises(ConversionError):
        RawCaster(SPEC).cast(batch)
    out, found = RawCaster(SPEC).cast_rows(batch, 10)
    assert [str(v) if v is not None else None for v in out.column("a").to_pylist()] == ["1.25", None, None, None, "-9.50"]
    assert out.column("b").to_pylist() == [1, 2, None, 4, None]
    assert out.column("c").to_pylist() == ["x", "y", "z", "", "é"]
    assert {row: (e.column, e.value) for row, e in found.items()} == {1: ("a", "NaN"), 2: ("b", str(2**40)), 3: ("a", "1.234")}
    assert str(2**40) not in found[2].message, "the column is masked"
    assert "'NaN' does not fit decimal(5,2)" in found[1].message


def test_more_than_the_limit_is_an_error_of_the_table() -> None:
    with pytest.raises(ConversionError, match="column 'a': value 'NaN' does not fit"):
        RawCaster(SPEC).cast_rows(bound(*[("NaN", 1, "x")] * 4), 3)


def test_the_slow_reader_leaves_a_misfit_to_be_named_by_row() -> None:
    schema = pa.schema([("n", pa.int32()), ("d", pa.date32()), ("l", pa.bool_()), ("t", pa.timestamp("us"))])
    good = (1, dt.date(2026, 1, 2), True, dt.datetime(2026, 1, 2, 3, 4, 5, 6))
    rows: list[tuple[object, ...]] = [good, (2**40, "hier", "peut-être", "jamais"), (10**30, None, False, None)]
    spec = TableSpec.model_validate({"table": "t", "columns": [
        {"name": "n", "type": "integer"}, {"name": "d", "type": "date"},
        {"name": "l", "type": "boolean"}, {"name": "t", "type": "timestamp"},
    ]})  # fmt: skip
    out, found = RawCaster(spec).cast_rows(_rows_to_batch(rows, schema), 10)
    assert tuple(out.slice(0, 1).to_pylist()[0].values()) == good
    assert sorted(found) == [1, 2]
    assert out.column("l").to_pylist() == [True, None, False]
    assert out.column("n").to_pylist() == [1, None, None]
