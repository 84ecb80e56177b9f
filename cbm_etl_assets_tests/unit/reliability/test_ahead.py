"""Read ahead: order, errors, early ends, and one thread for the whole source."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from cbm_etl_assets.reliability.ahead import ReadAhead


def test_everything_arrives_in_order_from_one_other_thread() -> None:
    seen: set[int] = set()

    def source() -> Iterator[int]:
        for number in range(50):
            seen.add(threading.get_ident())
            yield number

    with ReadAhead(source) as items:
        assert list(items) == list(range(50))
    assert len(seen) == 1
    assert seen.isdisjoint({threading.get_ident()})


def test_an_error_of_the_source_comes_out_where_the_items_are_taken() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise KeyError("gone")

    got: list[int] = []
    with pytest.raises(KeyError, match="gone"), ReadAhead(source) as items:
        got.extend(items)
    assert got == [] or got == [1]


def test_leaving_early_ends_the_source_and_waits_for_it() -> None:
    ended = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            ended.set()

    with ReadAhead(source, depth=1) as items:
        assert next(items) == 0
    assert ended.wait(5)
    assert not [t for t in threading.enumerate() if t.name == "cbm-read-ahead"]


def test_no_more_than_depth_is_read_ahead() -> None:
    read: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    with ReadAhead(source, depth=2) as items:
        for taken, _ in enumerate(items, start=1):
            assert len(read) <= taken + 4  # two waiting, one being put, one being made
