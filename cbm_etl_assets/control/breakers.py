"""etl.Breaker: the state of the circuit breakers, shared by every process that uses this control database.

Owns the rows and the race of two writers. What a state means is `reliability.breaker`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from cbm_etl_assets.control.database import Database, Row, Session
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.errors import TransientControlError
from cbm_etl_assets.reliability.breaker import Breaker, BreakerState

# Each round one of the contenders gets through: more than this many processes writing in the same millisecond is no race.
_ROUNDS = 20


def read(database: Database) -> dict[str, Breaker]:
    """Those that ever saw a failure, by resource."""
    return {found.resource: found for found in map(_breaker, database.read(statement("breaker_read")))}


def change(database: Database, resource: str, transition: Callable[[Breaker], Breaker | None], now: dt.datetime) -> Breaker | None:
    """Apply a transition to the row as it is now. Returns the new state; None where the transition declined."""
    for attempt in range(1, _ROUNDS + 1):
        try:
            with database.transaction() as session:
                seen = {b.resource: b for b in map(_breaker, session.rows(statement("breaker_read")))}.get(resource, Breaker(resource))
                wanted = transition(seen)
                if wanted is None or _write(session, wanted, seen.version, now):
                    return wanted
        except TransientControlError:  # two first failures insert the row at once: the loser sees the winner's at the next look
            if attempt == _ROUNDS:
                raise
    raise TransientControlError(f"The circuit breaker '{resource}' is being written by others all the time.", remedy="run again")


def _write(session: Session, wanted: Breaker, seen_version: int, now: dt.datetime) -> bool:
    values: Row = {
        "resource": wanted.resource, "state": wanted.state.value, "failures": wanted.failures, "opened": wanted.opened_utc,
        "next_probe": wanted.next_probe_utc, "error_class": wanted.error_class, "error_message": wanted.error_message,
        "failed": wanted.failed_utc, "now": now,
    }  # fmt: skip
    if seen_version:
        return session.execute(statement("breaker_update"), {**values, "seen_version": seen_version}) == 1
    session.execute(statement("breaker_insert"), values)
    return True


def _breaker(row: Row) -> Breaker:
    opened, probe, failed = row["OpenedUtc"], row["NextProbeUtc"], row["FailedUtc"]
    return Breaker(
        resource=str(row["Resource"]), state=BreakerState(str(row["State"])), failures=int(str(row["Failures"])),
        opened_utc=opened if isinstance(opened, dt.datetime) else None, next_probe_utc=probe if isinstance(probe, dt.datetime) else None,
        error_class=str(row["ErrorClass"]), error_message=str(row["ErrorMessage"]),
        failed_utc=failed if isinstance(failed, dt.datetime) else None, version=int(str(row["Version"])),
    )  # fmt: skip
