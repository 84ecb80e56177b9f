"""Which messages a change of conditions is worth. Pure: what holds, what is known, and a clock in; rows and messages out.

Owns opening, reminding, closing, silence, acknowledgement, quiet hours and the dedupe keys. Knows neither channels' formats nor
the journal.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from cbm_etl_assets.alerting.events import Announcement, Condition, Event, Facts, Kind, Notice, Severity
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.control.alert_port import AlertBoard, AlertChanges, AlertMessage, AlertRow

_DAY = dt.timedelta(hours=24)
# A count over a sliding window crosses its limit to and fro: once told, silent for a window. Burn rates have two windows against that.
REOPEN_AFTER = {Kind.FAILURES: _DAY}
# A failure that was over before the first look is news only while it is young.
FIRST_LOOK = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Policy:
    routes: tuple[Route, ...] = ()
    remind: dt.timedelta = _DAY
    quiet: tuple[dt.time, dt.time] | None = None
    timezone: str = "UTC"
    reopen_after: dict[Kind, dt.timedelta] = field(default_factory=lambda: dict(REOPEN_AFTER))


@dataclass(frozen=True)
class Seen:
    """One look at the journal. `looked_at`: the kinds that were looked for; an open alert of another kind is left as it is."""

    conditions: tuple[Condition, ...]
    announcements: tuple[Announcement, ...] = ()
    looked_at: frozenset[Kind] = frozenset()
    cursors: dict[str, str] = field(default_factory=dict)
    tables: frozenset[str] | None = None  # the declared ones, where they are known: an alert of a table that left ends without a word


def decide(board: AlertBoard, seen: Seen, policy: Policy, now: dt.datetime) -> AlertChanges:
    """`now` is naive UTC."""
    judge = _Judge(board, policy, now)
    for condition in seen.conditions:
        if condition.ended is None:
            judge.holds(condition)
    judge.close(seen)
    for condition in seen.conditions:
        if condition.ended is not None:
            judge.held(condition)
    for announcement in seen.announcements:
        judge.announce(announcement)
    return AlertChanges(tuple(judge.rows), tuple(judge.messages), dict(seen.cursors))


class _Judge:
    def __init__(self, board: AlertBoard, policy: Policy, now: dt.datetime) -> None:
        self.board = board
        self.policy = policy
        self.now = now
        self.rows: list[AlertRow] = []
        self.messages: list[AlertMessage] = []
        watched = board.cursors.get("watch", "")
        self.last_watch = dt.datetime.fromisoformat(watched) if watched else None

    def holds(self, condition: Condition) -> None:
        """Open it, or see it again."""
        known = self.board.rows.get(condition.key)
        condition = replace(condition, facts=replace(condition.facts, worst=_worst(known, condition)))
        if known is None or known.state != "open":
            row = self._opened(condition, known)
        else:
            row = replace(
                known, kind=condition.kind, severity=condition.severity, table_name=condition.table, seen=self.now,
                since=min(known.since, condition.since), facts=condition.facts.dump(),
            )  # fmt: skip
        event = self._event(row, known)
        if event and self._is_silenced(row.alert_key):
            row = replace(row, kind=known.kind, severity=known.severity) if known and event is Event.CHANGED else row  # told afterwards
        elif event and self._tell(row, event, condition.facts):
            row = replace(row, notified=self.now, notifications=row.notifications + 1)
        self.rows.append(row)

    def _opened(self, condition: Condition, known: AlertRow | None) -> AlertRow:
        window = self.policy.reopen_after.get(condition.kind)
        if known and window and known.notified and self.now - known.opened < window:
            return replace(known, state="open", closed=None, seen=self.now, facts=condition.facts.dump())
        return AlertRow(
            alert_key=condition.key, kind=condition.kind, table_name=condition.table, severity=condition.severity, state="open",
            episode=condition.episode or self.now.isoformat(), since=condition.since, opened=self.now, seen=self.now,
            facts=condition.facts.dump(),
        )  # fmt: skip

    def _event(self, row: AlertRow, known: AlertRow | None) -> Event | None:
        if row.notified is None:
            return Event.OPENED
        if known and (known.kind != row.kind or Severity(row.severity).rank > Severity(known.severity).rank):
            return Event.CHANGED
        if not row.acked and self.now - row.notified >= self.policy.remind:
            return Event.REMINDED
        return None

    def close(self, seen: Seen) -> None:
        """What was open and no longer holds."""
        held = {condition.key for condition in seen.conditions if condition.ended is None}
        for row in self.board.rows.values():
            if row.state == "open" and row.alert_key not in held and row.kind in seen.looked_at:
                self.rows.append(replace(row, state="closed", closed=self.now, seen=self.now, acked=None, acked_by=""))
                # Whoever was never told that it broke need not hear that it is well again; who was, must, through any silence: an
                # incident somewhere else would stay open for ever.
                has_left = bool(row.table_name and seen.tables is not None and row.table_name not in seen.tables)
                if row.notified and not has_left:
                    self._tell(row, Event.RECOVERED, Facts.load(row.facts))

    def held(self, condition: Condition) -> None:
        """It broke and healed between two looks: one message says both."""
        known = self.board.rows.get(condition.key)
        if known and _is_told(known, condition):
            return
        if any(row.alert_key == condition.key for row in self.rows) or not self._is_news(condition):
            return
        row = replace(self._opened(condition, None), state="closed", closed=self.now)
        if not self._is_silenced(row.alert_key) and self._tell(row, Event.RECOVERED, condition.facts):
            row = replace(row, notified=self.now, notifications=1)
        self.rows.append(row)

    def _is_news(self, condition: Condition) -> bool:
        if condition.ended is None:
            return False
        # A row is written at its end, which may be a moment older than a look that did not see it yet.
        last = self.last_watch - FIRST_LOOK if self.last_watch else self.now - FIRST_LOOK
        return condition.ended >= last

    def announce(self, announcement: Announcement) -> None:
        notice = Notice(
            announcement.event, announcement.dedupe_key, announcement.kind, announcement.severity, announcement.table, announcement.at,
            self.now, announcement.facts,
        )  # fmt: skip
        if not (announcement.table and self._is_silenced(f"load:{announcement.table}")):
            self.messages += self._to_routes(notice, announcement.dedupe_key)

    def _tell(self, row: AlertRow, event: Event, facts: Facts) -> bool:
        """Messages for the routes that take it. False: there is no way out at all, so it stays to be told."""
        notice = Notice(event, row.alert_key, Kind(row.kind), Severity(row.severity), row.table_name, row.since, self.now, facts)
        number = row.notifications + 1
        self.messages += self._to_routes(notice, f"{row.alert_key}#{row.opened.isoformat()}#{number}#{event}")
        return bool(self.policy.routes)

    def _to_routes(self, notice: Notice, dedupe_key: str) -> Iterator[AlertMessage]:
        payload = notice.dump()
        heard = {notice.severity, *([Severity(notice.facts.worst)] if notice.event is Event.RECOVERED and notice.facts.worst else [])}
        for route in self.policy.routes:
            if any(route.takes(severity) for severity in heard):
                yield AlertMessage(
                    dedupe_key=f"{dedupe_key}@{route.name}", alert_key=notice.key, kind=notice.kind, table_name=notice.table,
                    severity=notice.severity, event_name=notice.event, route_name=route.name, payload=payload,
                    due=quiet_until(self.policy, notice.severity, self.now),
                )  # fmt: skip

    def _is_silenced(self, key: str) -> bool:
        return any(fnmatchcase(key, silence.pattern) for silence in self.board.silences if silence.until > self.now)


def _worst(known: AlertRow | None, condition: Condition) -> Severity:
    before = Facts.load(known.facts).worst if known and known.state == "open" else ""
    return max(condition.severity, Severity(before or condition.severity), key=lambda s: s.rank)


def _is_told(known: AlertRow, condition: Condition) -> bool:
    """What had healed before the alert was closed is what was closed, however little of the streak is still looked at."""
    if known.state == "open" or known.closed is None or known.episode == condition.episode:
        return True
    return condition.ended is not None and known.closed >= condition.ended


def quiet_until(policy: Policy, severity: Severity, now: dt.datetime) -> dt.datetime:
    """When a message may go out: now, or the end of the quiet hours. Naive UTC."""
    if policy.quiet is None or severity is Severity.CRITICAL:
        return now
    first, last = policy.quiet
    zone = ZoneInfo(policy.timezone)
    local = now.replace(tzinfo=dt.UTC).astimezone(zone)
    clock = local.time()
    is_quiet = first <= clock < last if first <= last else clock >= first or clock < last
    if not is_quiet:
        return now
    day = local.date() + dt.timedelta(days=1) if clock >= last else local.date()
    return dt.datetime.combine(day, last, zone).astimezone(dt.UTC).replace(tzinfo=None)
