"""The connection cap of a source, over all processes that share CBM_HOME.

Owns N lock files, one a connection. The operating system drops the lock of a process that dies, so nothing goes stale and
nothing has to be cleaned up. Knows nothing of drivers.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cbm_etl_assets.errors import ConnectionCapError

_POLL_SECONDS = 0.1


@contextlib.contextmanager
def connection_slot(
    folder: Path,
    cap: int,
    wait_seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Hold one of `cap` connections. Raises: ConnectionCapError when none gets free within `wait_seconds`.

    The lock belongs to the open file, not to the process: two threads of one process exclude each other as well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = clock() + wait_seconds
    while True:
        for slot in range(cap):
            descriptor = _try_lock(folder / f"slot-{slot:02d}.lock")
            if descriptor is not None:
                try:
                    yield slot
                finally:
                    os.close(descriptor)
                return
        if clock() >= deadline:
            raise ConnectionCapError(
                f"All {cap} connections to the source are in use; none got free within {wait_seconds:g} s.",
                remedy="wait for the other loads, or raise CBM_SOURCE__MAX_CONNECTIONS or CBM_SOURCE__CONNECTION_WAIT_SECONDS",
            )
        sleep(_POLL_SECONDS)


def _try_lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor)
    except OSError:  # held by somebody else; other failures of a lock call look the same and end in the bounded wait
        os.close(descriptor)
        return None
    return descriptor


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
