from __future__ import annotations

import threading
import time

import pytest

from cbm_etl_assets.errors import StageTimeoutError, WarehouseError
from cbm_etl_assets.reliability.deadline import checker, interrupted, remaining_seconds, time_limit


class Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def test_a_loop_learns_that_its_time_is_up_from_any_thread() -> None:
    clock, heard = Clock(), list[str]()

    def look(check: object) -> None:
        try:
            check()  # type: ignore[operator]
        except StageTimeoutError as error:
            heard.append(error.message)

    with time_limit("extract", 10, clock):
        check = checker()
        check()
        assert remaining_seconds() == 10
        clock.at += 10
        thread = threading.Thread(target=look, args=(check,))
        thread.start()
        thread.join()
    assert heard == ["Stage 'extract' took longer than its 10 s; nothing was merged."]
    assert remaining_seconds() is None


def test_an_error_after_the_time_is_the_time_out_and_before_it_is_itself() -> None:
    clock = Clock()
    with pytest.raises(WarehouseError, match="interrupted"), time_limit("load", 10, clock):
        raise WarehouseError("interrupted")

    def late() -> None:
        clock.at += 11
        raise WarehouseError("interrupted")

    with pytest.raises(StageTimeoutError, match="Stage 'load'") as caught, time_limit("load", 10, clock):
        late()
    assert "CBM_STAGES__LOAD__TIMEOUT_SECONDS" in caught.value.remedy


def test_no_limit_is_none() -> None:
    for none in (None, 0):
        with time_limit("load", none):
            assert remaining_seconds() is None
            checker()()


def test_a_statement_is_interrupted_when_the_time_is_up_and_not_after_it() -> None:
    called = threading.Event()
    with time_limit("load", 0.05), interrupted(called.set):
        assert called.wait(30)
    late = threading.Event()
    with time_limit("load", 3600), interrupted(late.set):
        pass
    with interrupted(late.set):
        pass
    assert not late.is_set()


def test_an_interrupt_under_way_ends_before_the_connection_may_close() -> None:
    begun, order = threading.Event(), list[str]()

    def interrupt() -> None:
        begun.set()
        time.sleep(0.05)
        order.append("interrupted")

    with time_limit("load", 0.01), interrupted(interrupt):
        assert begun.wait(30)
    order.append("closed")
    assert order == ["interrupted", "closed"]
