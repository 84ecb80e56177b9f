"""The vocabulary: a condition that holds, a notice about it, and the notice's JSON form in the outbox. Plain data."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Kind(StrEnum):
    RUN_FAILURE = "run_failure"
    MASS_DELETE = "mass_delete"
    QUARANTINE = "quarantine"
    DRIFT = "drift"
    FRESHNESS = "freshness"
    FAILURES = "failures"  # more than so many in 24 hours
    QUALITY = "quality"
    SLO_BURN = "slo_burn"
    SLO_THRESHOLD = "slo_threshold"
    CERTIFICATE = "certificate"
    CIRCUIT = "circuit"
    ASSET_FRESHNESS = "asset_freshness"  # assets of users and marts, as Dagster judges them
    DAGSTER_RUN = "dagster_run"  # a run that ended before our journal knew it
    WATCH = "watch"  # a rule of ours that cannot be evaluated
    CHANNEL = "channel"  # a route of ours that does not deliver
    HEALTH = "health"
    LOAD = "load"  # one finished load somebody wants to hear of
    SUMMARY = "summary"
    TEST = "test"


class Event(StrEnum):
    OPENED = "opened"
    CHANGED = "changed"
    REMINDED = "reminded"
    RECOVERED = "recovered"
    SUCCESS = "success"
    RETRY = "retry"
    SUMMARY = "summary"
    TEST = "test"


@dataclass(frozen=True)
class Facts:
    """What a message may say. Texts of foreign origin are redacted by whoever fills them in, and made harmless when rendered."""

    owners: tuple[str, ...] = ()
    detail: str = ""
    error_class: str = ""
    run_id: str = ""
    downstream: tuple[str, ...] = ()
    count: int = 0
    numbers: dict[str, float] = field(default_factory=dict)
    subject: str = ""  # what it is about where that is no table
    worst: str = ""  # the gravest severity so far: whoever heard of that hears of the end

    def dump(self) -> str:
        return json.dumps({f.name: getattr(self, f.name) for f in fields(self)}, ensure_ascii=False)

    @classmethod
    def load(cls, text: str) -> Facts:
        """Rows written by an older or newer version: what is unknown is left out."""
        held: dict[str, Any] = json.loads(text)
        known = {f.name: held[f.name] for f in fields(cls) if f.name in held}
        for name in ("owners", "downstream"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)


@dataclass(frozen=True)
class Condition:
    """Something that holds now, or held and `ended`. Stamps are naive UTC.

    `key` is stable while it lasts; `episode` tells one failure streak from the next ('' where only its presence is known).
    """

    key: str
    kind: Kind
    severity: Severity
    since: dt.datetime
    table: str = ""
    episode: str = ""
    ended: dt.datetime | None = None
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True)
class Announcement:
    """Said once and never open: a finished load, the daily summary. `dedupe_key` makes it once."""

    dedupe_key: str
    event: Event
    kind: Kind
    severity: Severity
    at: dt.datetime
    table: str = ""
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True)
class Notice:
    """What a channel is given."""

    event: Event
    key: str
    kind: Kind
    severity: Severity
    table: str
    since: dt.datetime
    at: dt.datetime
    facts: Facts

    def dump(self) -> str:
        return json.dumps(
            {
                "event": self.event, "key": self.key, "kind": self.kind, "severity": self.severity, "table": self.table,
                "since": self.since.isoformat(), "at": self.at.isoformat(), "facts": json.loads(self.facts.dump()),
            }, ensure_ascii=False,
        )  # fmt: skip

    @classmethod
    def load(cls, text: str) -> Notice:
        held = json.loads(text)
        return cls(
            Event(held["event"]), held["key"], Kind(held["kind"]), Severity(held["severity"]), held["table"],
            dt.datetime.fromisoformat(held["since"]), dt.datetime.fromisoformat(held["at"]), Facts.load(json.dumps(held["facts"])),
        )  # fmt: skip
