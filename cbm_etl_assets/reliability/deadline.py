"""How long a stage of a load may take: set once around it, asked wherever something long begins.

Owns the limit and its error. Those who wait ask `remaining_seconds` and hand it to what they wait for (a statement time-out, a
timer that interrupts); those who loop call a `checker`. Python cannot interrupt a C call, so nothing else would end one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from cbm_etl_assets.errors import CbmError, StageTimeoutError


@dataclass(frozen=True)
class _Limit:
    stage: str
    seconds: float
    ends: float
    monotonic: Callable[[], float]

    @property
    def left(self) -> float:
        return self.ends - self.monotonic()

    def error(self) -> StageTimeoutError:
        return StageTimeoutError(
            f"Stage '{self.stage}' took longer than its {self.seconds:g} s; nothing was merged.",
            remedy=f"raise stages.{self.stage}.timeout_seconds of the table or CBM_STAGES__{self.stage.upper()}__TIMEOUT_SECONDS, "
            "or find out what it waits for",
        )


_CURRENT: ContextVar[_Limit | None] = ContextVar("stage_limit", default=None)


@contextmanager
def time_limit(stage: str, seconds: float | None, monotonic: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """`seconds` None or 0 = no limit. Raises: StageTimeoutError in place of whatever ended the stage after its time was up."""
    if not seconds:
        yield
        return
    limit = _Limit(stage, seconds, monotonic() + seconds, monotonic)
    token = _CURRENT.set(limit)
    try:
        yield
    except CbmError:
        if limit.left <= 0:
            raise limit.error() from None
        raise
    finally:
        _CURRENT.reset(token)


def remaining_seconds() -> float | None:
    """Of the stage this thread is in, 1 ms at least; None = no limit."""
    limit = _CURRENT.get()
    return None if limit is None else max(0.001, limit.left)


def checker() -> Callable[[], None]:
    """What to call as work goes on, from any thread: it raises StageTimeoutError once the time of the stage it was made in is up."""
    limit = _CURRENT.get()

    def check() -> None:
        if limit is not None and limit.left <= 0:
            raise limit.error()

    return check


@contextmanager
def interrupted(interrupt: Callable[[], object]) -> Iterator[None]:
    """Calls `interrupt` from another thread when the stage's time is up while inside; nothing without a limit."""
    limit = _CURRENT.get()
    if limit is None:
        yield
        return
    guard, is_over = threading.Lock(), False

    def fire() -> None:
        with guard:
            if not is_over:
                interrupt()

    timer = threading.Timer(max(0.0, limit.left), fire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        # Under the lock: a timer that fires just now must not interrupt a connection that is closed next.
        with guard:
            is_over = True
        timer.cancel()
