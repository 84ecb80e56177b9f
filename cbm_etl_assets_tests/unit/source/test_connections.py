"""The connection cap holds between threads, waits, and says so when it gives up."""

from __future__ import annotations

from pathlib import Path

import pytest

from cbm_etl_assets.errors import TransientSourceError
from cbm_etl_assets.source.connections import connection_slot


def test_slots_are_distinct_and_come_back(tmp_path: Path) -> None:
    with connection_slot(tmp_path, 2, 0) as first, connection_slot(tmp_path, 2, 0) as second:
        assert {first, second} == {0, 1}
        with pytest.raises(TransientSourceError, match="All 2 connections"), connection_slot(tmp_path, 2, 0):
            pass
    with connection_slot(tmp_path, 2, 0) as again:
        assert again == 0


def test_a_waiter_gets_the_slot_that_is_freed(tmp_path: Path) -> None:
    held = connection_slot(tmp_path, 1, 0)
    held.__enter__()
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        held.__exit__(None, None, None)

    with connection_slot(tmp_path, 1, 5, clock=lambda: 0.0, sleep=sleep) as slot:
        assert slot == 0
    assert len(pauses) == 1
