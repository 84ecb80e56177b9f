"""Read ahead: an iterator worked by one thread from beginning to end, its items taken by any other.

A database driver may pull from a thread of its own, and some locks are the thread's that took them. Memory: `depth` items.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.1
DEPTH = 2


class ReadAhead(Generic[T]):
    """`with ReadAhead(make) as items`: what `make()` yields, and what it raises. Leaving early stops the reader and waits for it."""

    def __init__(self, source: Callable[[], Iterator[T]], depth: int = DEPTH) -> None:
        self._source = source
        self._waiting: queue.Queue[T | BaseException | None] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="cbm-read-ahead", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._items()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _items(self) -> Iterator[T]:
        while (item := self._waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def _read(self) -> None:
        last: BaseException | None = None
        try:
            for item in self._source():
                if not self._put(item):
                    return
        except BaseException as error:  # noqa: BLE001  raised again where the items are taken
            last = error
        self._put(last)

    def _put(self, item: T | BaseException | None) -> bool:
        """False when nobody takes any more."""
        while not self._stop.is_set():
            try:
                self._waiting.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
