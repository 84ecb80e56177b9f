"""What is asked of a driver, and values that do not fit are refused, never changed."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pyarrow as pa
import pytest

from cbm_etl_assets.errors import ConversionError, SourceSchemaError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.source.binding import RawCaster, bind_schema, raw_schema


def spec(kind: str, **more: object) -> TableSpec:
    return TableSpec.model_validate({"table": "t", "columns": [{"name": "c", "type": kind, **more}]})


def cast(kind: str, values: list[object], arrow: pa.DataType | None = None, *, utc: bool = False, **more: object) -> list[object]:
    batch = pa.RecordBatch.from_arrays([pa.array(values, arrow or pa.string())], ["c"])
    return RawCaster(spec(kind, **more), utc).cast(batch).column(0).to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("kind", "delivered", "asked"),
    [
        ("double", pa.float32(), pa.float64()),
        ("decimal(18,2)", pa.decimal128(18, 0), pa.string()),
        ("integer", pa.int16(), pa.int32()),
        ("integer", pa.int64(), pa.int64()),
        ("integer", pa.decimal128(10, 0), pa.string()),
        ("boolean", pa.bool_(), pa.bool_()),
        ("timestamp", pa.timestamp("ns"), pa.timestamp("us")),
        ("timestamptz", pa.string(), pa.string()),
        ("binary", pa.binary(), pa.binary()),
    ],
)
def test_the_driver_is_asked_for_what_it_can_give_exactly(kind: str, delivered: pa.DataType, asked: pa.DataType) -> None:
    assert bind_schema(pa.schema([("c", delivered)]), spec(kind), frozenset()).field(0).type == asked


def test_dates_are_read_as_text_where_the_driver_damages_them() -> None:
    assert bind_schema(pa.schema([("c", pa.date32())]), spec("date"), frozenset({Kind.DATE})).field(0).type == pa.string()


def test_an_extent_is_one_text() -> None:
    assert raw_schema(spec("decimal(10,2)", extent=3)).field(0).type == pa.string()


def test_another_number_of_columns_is_an_error() -> None:
    with pytest.raises(SourceSchemaError, match="1 columns asked for, 2 delivered"):
        bind_schema(pa.schema([("a", pa.string()), ("b", pa.string())]), spec("date"), frozenset())


def test_values_arrive_exactly() -> None:
    assert cast("decimal(18,2)", ["1.5", "-.25", None]) == [Decimal("1.50"), Decimal("-0.25"), None]
    assert cast("date", ["2024-02-29"]) == [dt.date(2024, 2, 29)]
    assert cast("timestamp", ["2024-02-29 01:02:03.000001"]) == [dt.datetime(2024, 2, 29, 1, 2, 3, 1)]
    assert cast("time", ["01:02:03.25"]) == [dt.time(1, 2, 3, 250000)]


def test_the_two_passes_of_the_autumn_hour_are_two_instants() -> None:
    spellings: list[object] = ["2024-10-27 02:30:00+02:00", "2024-10-27 02:30:00.000+01", "2024-10-27 02:30:00.000 + 01:00"]
    first, second, loose = cast("timestamptz", spellings)
    assert first == dt.datetime(2024, 10, 27, 0, 30, tzinfo=dt.UTC)
    assert second == loose == dt.datetime(2024, 10, 27, 1, 30, tzinfo=dt.UTC)


def test_an_instant_without_offset_is_utc_only_where_the_session_is_pinned() -> None:
    assert cast("timestamptz", ["2024-10-27 00:30:00"], utc=True) == [dt.datetime(2024, 10, 27, 0, 30, tzinfo=dt.UTC)]
    with pytest.raises(ConversionError):
        cast("timestamptz", ["2024-10-27 00:30:00"])


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("decimal(18,2)", "1.555"),
        ("decimal(18,2)", "NaN"),
        ("decimal(4,2)", "123.4"),
        ("date", "1000-00-00"),
        ("integer", "1.5"),
        ("boolean", "?"),
    ],
)
def test_a_value_that_does_not_fit_is_named(kind: str, bad: str) -> None:
    with pytest.raises(ConversionError, match=re.escape(f"'t', column 'c': value '{bad}' does not fit")):
        cast(kind, [None, "1", bad, "1"] if kind != "date" else [None, bad])


def test_an_integer_too_wide_is_refused() -> None:
    with pytest.raises(ConversionError, match="1099511627776"):
        cast("integer", [1, 2**40], pa.int64())


def test_a_masked_value_is_not_shown() -> None:
    with pytest.raises(ConversionError) as caught:
        cast("integer", ["123-45-6789"], mask="null")
    assert "6789" not in str(caught.value)


def test_zeros_behind_the_declared_scale_are_no_digits_that_have_to_fit() -> None:
    assert cast("decimal(38,10)", ["9" * 28 + ".000000000000", "1.500000000000"]) == [Decimal("9" * 28), Decimal("1.5")]
    with pytest.raises(ConversionError):
        cast("decimal(38,10)", ["1.000000000001"])
