"""Expected load slots: when a schedule says a table loads, and which of these slots were kept.

Owns the cron calendar (cronsim, with its treatment of clock changes) and the matching. A slot nobody served is bad whether
the load failed or the daemon never started it.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo

from cbm_etl_assets.slo.events import Events


@lru_cache(maxsize=256)
def _slots(cron: str, timezone: str, first_day: dt.date, days: int) -> tuple[float, ...]:
    from cronsim import CronSim, CronSimError  # only where a table has a schedule

    zone = ZoneInfo(timezone)
    start = dt.datetime.combine(first_day, dt.time(), zone)
    last = (start + dt.timedelta(days=days)).timestamp()
    found: list[float] = []
    try:
        # A minute earlier: CronSim yields what comes strictly after.
        calendar = CronSim(cron, start - dt.timedelta(minutes=1))
    except CronSimError:
        return ()  # well formed and never due, such as February 31
    for moment in calendar:
        instant = moment.timestamp()
        if instant >= last:
            break
        found.append(instant)
    return tuple(found)


def expected_slots(cron: str, timezone: str, since: float, until: float) -> list[float]:
    """Instants of the schedule in [since, until], both seconds since 1970."""
    zone = ZoneInfo(timezone)
    first, last = (dt.datetime.fromtimestamp(t, zone).date() for t in (since, until))
    # Whole days, so that tables of one schedule and evaluations of one day share the calendar.
    days = (last - first).days + 1
    return [t for t in _slots(cron, timezone, first, days) if since <= t <= until]


def slot_events(
    slots: Sequence[float], good_loads: Iterable[tuple[float, float]], running: Iterable[float], now: float, grace: float
) -> Events:
    """`good_loads`: (start, end). `running`: starts of loads that have not ended: their slot is still open.

    A slot is kept by a good load that started before the next slot and within the grace; it is bad once that has passed.
    """
    kept: dict[int, float] = {}
    for start, end in good_loads:
        slot = _slot_of(slots, start, grace)
        if slot is not None:
            kept[slot] = min(end, kept.get(slot, end))
    pending = {_slot_of(slots, start, grace) for start in running}
    missed = (_deadline(slots, i, grace) for i in range(len(slots)) if i not in kept and i not in pending)
    return Events.of(kept.values(), (deadline for deadline in missed if deadline <= now))


def _deadline(slots: Sequence[float], slot: int, grace: float) -> float:
    latest = slots[slot] + grace
    return min(latest, slots[slot + 1]) if slot + 1 < len(slots) else latest


def _slot_of(slots: Sequence[float], start: float, grace: float) -> int | None:
    slot = bisect_right(slots, start) - 1
    return slot if slot >= 0 and start < _deadline(slots, slot, grace) else None
