"""The line end to end on the twin: modes, order, idempotence, accounting."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from cbm_etl_assets.metadata.partitions import partition_keys
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets_tests.line_fixture import Line, article_spec

pytestmark = pytest.mark.integration


def test_full_then_nothing_then_changes(line: Line) -> None:
    first = line.load(Mode.FULL)
    assert (first.outcome.read, first.outcome.inserted) == (200, 200)
    line.assert_equal()
    again = line.load(Mode.FULL)
    assert (again.outcome.read, again.outcome.unchanged) == (200, 200)
    assert line.leftovers() == []


def test_an_incremental_reads_only_what_changed_and_the_lookback(line: Line) -> None:
    line.load()
    highest = max(row[4] for row in line.source_rows())
    line.put("A00007", "changé", highest)
    line.put("A99999", "créé", highest + dt.timedelta(minutes=1))
    result = line.load(Mode.INCREMENTAL)
    assert result.mode is Mode.INCREMENTAL
    assert (result.outcome.inserted, result.outcome.updated) == (1, 1)
    assert result.outcome.read == 2 + 3  # 2 h of lookback over hourly rows, bounds included
    assert result.outcome.read == result.outcome.accounted
    assert result.watermark == highest + dt.timedelta(minutes=1)
    line.assert_equal()


def test_a_row_stamped_exactly_as_the_watermark_is_not_lost(line: Line) -> None:
    """LS01"""
    line.spec = article_spec(cursor={"columns": ["dat_mod"], "lookback": "0d"})
    line.load()
    highest = max(row[4] for row in line.source_rows())
    line.put("A00001", "mis à jour", highest)
    line.put("B00001", "nouveau", highest)
    line.load(Mode.INCREMENTAL)
    line.assert_equal()


def test_rows_with_a_null_cursor_are_read_every_time(line: Line) -> None:
    line.load()
    line.put("N00001", "sans date", None)
    line.load(Mode.INCREMENTAL)
    line.put("N00001", "sans date, changé", None)
    assert line.load(Mode.INCREMENTAL).outcome.updated == 1
    line.assert_equal()


def test_a_stamp_in_the_future_does_not_starve_the_others(line: Line) -> None:
    line.put("F00001", "2999", dt.datetime(2999, 1, 1))
    first = line.load()
    assert first.watermark == first.t0
    line.put("A00002", "plus tard", first.t0)
    line.load(Mode.INCREMENTAL)
    line.assert_equal()


def test_a_backfill_in_random_order_twice_equals_a_full_load(line: Line) -> None:
    keys = list(partition_keys(line.spec.partition, dt.date(2026, 1, 1), dt.date(2026, 1, 10)))  # type: ignore[arg-type]
    assert len(keys) == 10
    line.put("N00001", "curseur nul", None)
    for turn in range(2):
        random.Random(turn).shuffle(keys)
        for key in keys:
            result = line.load(Mode.AUTO, key)
            assert result.mode is Mode.PARTITION
            assert result.watermark is None
        line.put("A00009", f"changé {turn}", dt.datetime(2026, 1, 5, turn))
    line.load(Mode.AUTO, *sorted(keys))
    line.assert_equal()
    full = line.load(Mode.FULL)
    assert (full.outcome.inserted, full.outcome.updated) == (0, 0)


def test_a_backfill_never_moves_the_watermark(line: Line) -> None:
    before = line.load().watermark
    line.put("Z", "très tard", before + dt.timedelta(days=1))  # type: ignore[operator]
    assert line.load(Mode.AUTO, "2026-01-10").watermark == before


def test_a_lookback_changed_in_the_spec_counts_at_once(line: Line) -> None:
    """LS16"""
    line.load()
    line.spec = article_spec(cursor={"columns": ["dat_mod"], "lookback": "2d"})
    result = line.load(Mode.INCREMENTAL)
    assert (result.outcome.read, result.outcome.unchanged) == (49, 49)
    line.assert_equal()


def test_mode_switches_keep_the_watermark(line: Line) -> None:
    """LS17"""
    marks = [line.load(mode).watermark for mode in (Mode.INCREMENTAL, Mode.FULL, Mode.INCREMENTAL)]
    assert len(set(marks)) == 1
    line.assert_equal()


def test_an_empty_source_makes_an_empty_table(line: Line) -> None:
    """LS15"""
    line.execute("TRUNCATE pub.article")
    assert line.load().outcome.read == 0
    assert line.ods_rows() == []


def test_the_preview_and_the_raw_files_are_there(line: Line) -> None:
    result = line.load()
    assert len(result.preview_rows) == 10
    assert (line.home / "lake" / result.raw_path / "manifest.json").is_file()
