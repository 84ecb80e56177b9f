"""Batches on their way into a driver: exact types, nothing rounded, our own errors kept."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pytest

from cbm_etl_assets.errors import ConversionError, CorruptRawFileError
from cbm_etl_assets.warehouse.feed import Feed
from cbm_etl_assets_tests.specs import make_spec

SPEC = make_spec(columns=[{"name": "k", "type": "bigint"}, {"name": "px", "type": "decimal(9,2)"}], primary_key=["k"], cursor=None)
NAMES = ["k", "px", "_key_hash", "_hashdiff"]


def batch(keys: pa.Array, prices: pa.Array) -> pa.RecordBatch:
    hashes = pa.array([bytes(32)] * len(keys), pa.binary(32))
    return pa.RecordBatch.from_arrays([keys, prices, hashes, hashes], names=NAMES)


def test_batches_get_exactly_the_types_of_the_table() -> None:
    given = batch(pa.array([1, 2], pa.int32()), pa.array([Decimal("1.5"), None], pa.decimal128(5, 1)))
    feed = Feed(SPEC, [given])
    found = feed.reader().read_all()
    assert found.schema == feed.schema
    assert found.column("px").to_pylist() == [Decimal("1.50"), None]


@pytest.mark.parametrize(
    ("keys", "prices", "column"),
    [
        (pa.array([1]), pa.array([Decimal("1.005")], pa.decimal128(9, 3)), "px"),
        (pa.array([1]), pa.array([Decimal("123456789")], pa.decimal128(9, 0)), "px"),
        (pa.array([2**63], pa.uint64()), pa.array([None], pa.decimal128(9, 2)), "k"),
    ],
)
def test_what_does_not_fit_names_its_column_and_is_never_rounded(keys: pa.Array, prices: pa.Array, column: str) -> None:
    feed = Feed(SPEC, [batch(keys, prices)])
    with pytest.raises(ConversionError, match=f"column '{column}' does not fit"), feed.own_errors_first():
        feed.reader().read_all()


def test_an_error_of_ours_outlives_the_drivers_own_words() -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield batch(pa.array([1]), pa.array([None], pa.decimal128(9, 2)))
        raise CorruptRawFileError("checksum")

    def driver(feed: Feed) -> None:
        try:
            feed.reader().read_all()
        except CorruptRawFileError as error:
            raise RuntimeError(f"driver: {error}") from None

    feed = Feed(SPEC, rows())
    with pytest.raises(CorruptRawFileError, match="checksum"), feed.own_errors_first():
        driver(feed)


def test_an_error_of_the_driver_passes() -> None:
    with pytest.raises(RuntimeError, match="driver"), Feed(SPEC, []).own_errors_first():
        raise RuntimeError("driver")
