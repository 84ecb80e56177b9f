"""What of a snapshot must be told now, and how urgently. Pure; opening and closing alerts is the caller's."""

from __future__ import annotations

import datetime as dt

from cbm_etl_assets.slo.model import Burn, Severity, Slo, SloBreach, SloSnapshot, SloStatus, State

NAMES = {
    Slo.AVAILABILITY: "availability", Slo.LATENCY: "p95 load latency", Slo.ERROR_RATE: "error rate", Slo.FRESHNESS: "freshness",
    Slo.QUALITY: "data quality",
}  # fmt: skip


def slo_breaches(snapshot: SloSnapshot) -> list[SloBreach]:
    """Pages first. One condition is one entry: a burning page of an objective hides the ticket of the same objective."""
    found: list[SloBreach] = []
    for status in snapshot.statuses:
        found += _freshness(snapshot, status) if status.slo is Slo.FRESHNESS else [*_burning(status), *_threshold(status)]
    return sorted(found, key=lambda b: (b.severity is not Severity.PAGE, b.key))


def _freshness(snapshot: SloSnapshot, status: SloStatus) -> list[SloBreach]:
    """A stale table pages at once; one never loaded, once it has been declared for longer than it may be old."""
    if not status.table or status.state is not State.BREACH:
        return []
    known = status.known_since_utc
    young = known is not None and snapshot.evaluated_at_utc - known < dt.timedelta(hours=status.alert)
    severity = Severity.TICKET if status.measured is None and young else Severity.PAGE
    age = "was never loaded" if status.measured is None else f"was last read {status.measured:.1f} h ago"
    return [_breach(status, severity, "freshness", f"Table {status.table} {age}; it is stale after {status.alert:g} h.")]


def _burning(status: SloStatus) -> list[SloBreach]:
    burning = next((b for b in status.burns if b.fires), None)  # pages stand first
    if burning is None:
        return []
    return [_breach(status, burning.severity, "burn", f"{_subject(status)}: the error budget burns {_windows(burning)}.")]


def _threshold(status: SloStatus) -> list[SloBreach]:
    if status.state is not State.BREACH or (status.table and not status.burns):
        return []  # a table without objectives of its own is part of the platform's row
    text = f"{_subject(status)} is {status.measured:.2f} {status.unit}; alert at {status.alert:g}, objective {status.objective:g}."
    return [_breach(status, Severity.TICKET, "threshold", text)]


def _breach(status: SloStatus, severity: Severity, kind: str, summary: str) -> SloBreach:
    parts = ["slo", kind, *([status.slo] if kind != "freshness" else []), *([status.table] if status.table else [])]
    return SloBreach(
        key=":".join(parts), severity=severity, kind=kind, slo=status.slo, table=status.table, measured=status.measured,
        objective=status.objective, alert=status.alert, unit=status.unit, since_utc=status.since_utc, summary=summary,
    )  # fmt: skip


def _subject(status: SloStatus) -> str:
    name = NAMES[status.slo]
    return f"{name[0].upper()}{name[1:]} of {f'table {status.table}' if status.table else 'the platform'}"


def _windows(burn: Burn) -> str:
    long, short = f"{burn.long_seconds / 3600:g} h", f"{burn.short_seconds / 3600:g} h"
    rates = f"{burn.long_burn:.1f} times too fast over {long} and {burn.short_burn:.1f} times over {short}"
    return f"{rates}, with {burn.bad_events} bad events"
