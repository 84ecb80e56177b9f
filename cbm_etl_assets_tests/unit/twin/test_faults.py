"""When a fault is due."""

from __future__ import annotations

from cbm_etl_assets.twin.faults import FaultBook, FaultKind


def test_the_first_of_several_strikes_first_and_only_as_often_as_ordered() -> None:
    book = FaultBook()
    book.add({"kind": "cut", "table": "Client", "after_rows": 500})
    book.add({"kind": "stall", "after_rows": 100, "times": 2})
    first = book.next_event({"client"}, locks=True)
    assert first is not None
    assert first.kind is FaultKind.STALL
    first.fired = 2
    second = book.next_event({"client"}, locks=True)
    assert second is not None
    assert second.kind is FaultKind.CUT
    assert book.next_event({"fournis"}, locks=True) is None
    assert len(book.standing()) == 1


def test_a_lock_spares_a_dirty_read() -> None:
    book = FaultBook()
    book.add({"kind": "lock", "times": 0})
    assert book.next_event({"client"}, locks=False) is None
    assert book.next_event({"client"}, locks=True) is not None
    assert book.next_event((), locks=True) is None


def test_refusals_are_counted_and_a_cap_stands() -> None:
    book = FaultBook()
    book.add({"kind": "refuse", "times": 2})
    assert [book.refuses(0) for _ in range(3)] == [True, True, False]
    book.add({"kind": "cap", "value": 2})
    assert [book.refuses(n) for n in (1, 2, 3, 1)] == [False, True, True, False]
    book.clear()
    assert not book.refuses(9)
