"""Table locks: one row a table, taken by a conditional write, renewed by a thread, released by its owner only.

Owns waiting, take-over of expired locks and of dead owners, the heartbeat. The warehouse's fencing token, not this lock, is
what keeps a loader that lost it from committing. Nothing here is specific to a database.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cbm_etl_assets.control.database import Database, Row, Session
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.errors import BusyError, CbmError, TransientControlError
from cbm_etl_assets.reliability.process import is_dead, process_owner

_log = logging.getLogger(__name__)
_POLL_SECONDS = (0.05, 1.0)  # first and longest pause between two looks at a held lock


@dataclass(frozen=True)
class LockClock:
    """`now` is aware UTC. Sleep, monotonic time and jitter of the wait."""

    now: Callable[[], dt.datetime]
    sleep: Callable[[float], object] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    uniform: Callable[[float, float], float] = random.uniform


class HeldLock:
    """A lock this process holds. `owner` is `host:pid:detail`; `token` grows by one with every acquisition of the table."""

    def __init__(self, database: Database, clock: LockClock, table: str, owner: str, ttl: dt.timedelta) -> None:
        self.table, self.owner, self.token = table, owner, 0
        self._database, self._clock, self._ttl = database, clock, ttl
        self._expires = clock.now()
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def lost(self) -> bool:
        """True once another owner took it over. Past its expiry (a suspended process) the database is asked again."""
        if not self._lost.is_set() and self._clock.now() >= self._expires:
            self._renew()
        return self._lost.is_set()

    def try_acquire(self) -> Row | None:
        """None when acquired, else the row of the holder."""
        try:
            with self._database.transaction() as session:
                return self._acquire(session)
        except TransientControlError:
            # Two first loads of a table insert its row at once: the loser sees the winner at the next look.
            return {"Owner": "", "AcquiredUtc": None}

    def _acquire(self, session: Session) -> Row | None:
        now = self._clock.now()
        values = {"table_name": self.table, "owner": self.owner, "now": now, "expires": now + self._ttl}
        seen = session.rows(statement("lock_read"), {"table_name": self.table})
        if not seen:
            session.execute(statement("lock_insert"), values)
            self.token = 1
        else:
            holder = str(seen[0]["Owner"] or "")
            token = int(str(seen[0]["Token"]))
            dead = holder if holder and is_dead(holder) else ""
            if session.execute(statement("lock_take"), {**values, "seen_token": token, "dead_owner": dead}) != 1:
                return seen[0]
            if holder:
                _log.warning("lock of table %s taken over from %s (%s)", self.table, holder, "its process is dead" if dead else "expired")
            self.token = token + 1
        self._expires = now + self._ttl
        return None

    def start_heartbeat(self) -> None:
        self._thread = threading.Thread(target=self._beat, name=f"lock-{self.table}", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        # A third of the life: two renewals may fail before anybody may take the lock over.
        while not self._stop.wait(self._ttl.total_seconds() / 3):
            self._renew()
            if self._lost.is_set():
                return

    def _renew(self) -> None:
        now = self._clock.now()
        values = {"table_name": self.table, "owner": self.owner, "token": self.token, "now": now, "expires": now + self._ttl}
        try:
            with self._database.transaction() as session:
                renewed = session.execute(statement("lock_renew"), values)
        except CbmError as error:
            # The next beat tries again. Past the expiry nobody can say who holds it, and a loader must not assume it does.
            _log.warning("lock of table %s not renewed: %s", self.table, error.message)
            if now >= self._expires:
                self._lost.set()
            return
        if renewed == 1:
            self._expires = now + self._ttl
        else:
            self._lost.set()

    def release(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        values = {"table_name": self.table, "owner": self.owner, "token": self.token, "now": self._clock.now()}
        with self._database.transaction() as session:
            session.execute(statement("lock_release"), values)


@contextmanager
def hold(database: Database, clock: LockClock, table: str, owner: str, *, wait_seconds: float, ttl_seconds: float) -> Iterator[HeldLock]:
    """Raises: BusyError naming the owner and since when, after `wait_seconds`."""
    lock = HeldLock(database, clock, table, process_owner(owner), dt.timedelta(seconds=ttl_seconds))
    _wait(lock, clock, wait_seconds)
    lock.start_heartbeat()
    try:
        yield lock
    finally:
        lock.release()


def _wait(lock: HeldLock, clock: LockClock, wait_seconds: float) -> None:
    started = clock.monotonic()
    pause, longest = _POLL_SECONDS
    while (holder := lock.try_acquire()) is not None:
        left = wait_seconds - (clock.monotonic() - started)
        if left <= 0:
            raise _busy(lock.table, holder, clock.now(), wait_seconds)
        # Jitter: waiters that started together must not knock together.
        clock.sleep(min(left, clock.uniform(pause / 2, pause)))
        pause = min(pause * 2, longest)


def _busy(table: str, holder: Row, now: dt.datetime, waited: float) -> BusyError:
    since = holder.get("AcquiredUtc")
    when = ""
    if isinstance(since, dt.datetime):
        seconds = (now.astimezone(dt.UTC).replace(tzinfo=None) - since).total_seconds()
        when = f" since {since:%Y-%m-%d %H:%M:%S} UTC ({seconds:.0f} s)"
    return BusyError(
        f"Table '{table}' is busy: held by {holder.get('Owner') or 'a load that is just starting'}{when}. Waited {waited:g} s.",
        remedy="let that load end and run again, or raise CBM_LOAD__TABLE_WAIT_SECONDS",
    )
