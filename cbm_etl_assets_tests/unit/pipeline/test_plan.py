"""What a load reads: effective mode, ranges, the cap of the watermark."""

from __future__ import annotations

import datetime as dt

import pytest

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.pipeline.plan import plan_load
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets.source.port import ReadRange
from cbm_etl_assets.warehouse.port import TableState
from cbm_etl_assets_tests.specs import make_spec

T0 = dt.datetime(2026, 3, 29, 4, 0)
W = dt.datetime(2026, 3, 28, 15, 30)
LOADED = TableState("client", last_issued_seq=7, last_applied_seq=6, last_full_seq=1, watermark=W, fencing_token=7)


def test_the_first_load_is_full_whatever_is_asked() -> None:
    plan = plan_load(make_spec(), LoadOptions(Mode.INCREMENTAL), TableState("client", last_issued_seq=1), T0)
    assert (plan.mode, plan.range) == (Mode.FULL, ReadRange())


def test_an_incremental_reads_from_the_watermark_less_the_lookback() -> None:
    spec = make_spec(cursor={"columns": ["dat_mod"], "lookback": "2h"})
    plan = plan_load(spec, LoadOptions(Mode.INCREMENTAL), LOADED, T0)
    assert plan.range == ReadRange(dt.datetime(2026, 3, 28, 13, 30), None, include_nulls=True)


def test_a_date_cursor_rereads_the_whole_day() -> None:
    spec = make_spec(cursor={"columns": ["dat_mod"], "lookback": "1d", "precision": "date", "nulls": "full_only"})
    plan = plan_load(spec, LoadOptions(), LOADED, T0)
    assert plan.range == ReadRange(dt.datetime(2026, 3, 27), None, include_nulls=False)


@pytest.mark.parametrize("changes", [{"cursor": None}, {"primary_key": []}])
def test_a_table_without_cursor_or_key_is_read_in_full(changes: dict[str, object]) -> None:
    assert plan_load(make_spec(**changes), LoadOptions(Mode.INCREMENTAL), LOADED, T0).mode is Mode.FULL


def test_the_first_partition_is_open_below_and_takes_null_cursors() -> None:
    spec = make_spec(partition={"start": "2026-01-01"})
    first = plan_load(spec, LoadOptions(partitions=("2026-01-01",)), LOADED, T0)
    later = plan_load(spec, LoadOptions(partitions=("2026-01-02", "2026-01-03")), LOADED, T0)
    assert first.range == ReadRange(None, dt.datetime(2026, 1, 2), include_nulls=True)
    assert later.range == ReadRange(dt.datetime(2026, 1, 2), dt.datetime(2026, 1, 4), include_nulls=False)
    assert later.watermark_after(T0) is None


@pytest.mark.parametrize(("high", "expected"), [(dt.datetime(2999, 1, 1), T0), (W, W), (None, None)])
def test_the_watermark_is_exact_and_capped_at_the_source_clock(high: dt.datetime | None, expected: dt.datetime | None) -> None:
    assert plan_load(make_spec(), LoadOptions(Mode.FULL), LOADED, T0).watermark_after(high) == expected


@pytest.mark.parametrize(("spec", "keys", "message"), [
    (make_spec(), ("2026-01-01",), "has no partitions"),
    (make_spec(partition={"start": "2026-01-01"}), ("2025-01-01",), "does not exist"),
    (make_spec(partition={"start": "2026-01-01"}), ("../etc",), "does not exist"),
    (make_spec(partition={"start": "2026-01-01"}), ("2026-01-01", "2026-01-03"), "must be adjacent"),
])  # fmt: skip
def test_wrong_partitions_are_refused_in_words(spec: object, keys: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        plan_load(spec, LoadOptions(Mode.PARTITION, keys), LOADED, T0)  # type: ignore[arg-type]
