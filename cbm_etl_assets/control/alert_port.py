"""What alerting needs from the control database: the alerts that are open, and the outbox. Plain data and a Protocol.

Stamps are naive UTC. The implementation is `control.alerts.AlertStore`; what an alert means is `alerting`'s.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class AlertRow:
    """One row of etl.Alert. `state` is open|closed; `notified` None: nobody was told yet; `facts` is JSON."""

    alert_key: str
    kind: str
    table_name: str
    severity: str
    state: str
    episode: str
    since: dt.datetime
    opened: dt.datetime
    seen: dt.datetime
    closed: dt.datetime | None = None
    notified: dt.datetime | None = None
    notifications: int = 0
    acked: dt.datetime | None = None
    acked_by: str = ""
    facts: str = "{}"


@dataclass(frozen=True)
class AlertMessage:
    """One row of etl.Alert_Log: a message to one route. `state` is pending|sent|refused; `payload` is JSON. `id` 0 = not written yet."""

    dedupe_key: str
    alert_key: str
    kind: str
    table_name: str
    severity: str
    event_name: str
    route_name: str
    payload: str
    due: dt.datetime
    id: int = 0
    state: str = "pending"
    created: dt.datetime | None = None
    attempts: int = 0
    last_error: str = ""


@dataclass(frozen=True)
class Silence:
    """Alert keys that match `pattern` (a glob) are recorded and not told until then."""

    pattern: str
    until: dt.datetime
    created_by: str
    created: dt.datetime


@dataclass(frozen=True)
class RouteState:
    """How a route fares: it is not tried before `rest_until`."""

    name: str
    failures: int = 0
    rest_until: dt.datetime | None = None
    sent: dt.datetime | None = None
    last_error: str = ""


@dataclass(frozen=True)
class AlertBoard:
    """Everything known when a watcher decides. `cursors`: 'watch' and 'summary', empty texts before the first time."""

    rows: dict[str, AlertRow]
    silences: tuple[Silence, ...]
    cursors: dict[str, str]


@dataclass(frozen=True)
class AlertChanges:
    """What a watcher decided: written together or not at all. A message whose dedupe key is known is not written twice."""

    rows: tuple[AlertRow, ...] = ()
    messages: tuple[AlertMessage, ...] = ()
    cursors: dict[str, str] = field(default_factory=dict)


class Alerts(Protocol):
    def update(self, decide: Callable[[AlertBoard], AlertChanges]) -> AlertChanges:
        """Read, decide, write, in one transaction; two watchers take turns. Returns what was decided."""
        ...

    def board(self) -> AlertBoard: ...

    def claim(self, route: str, owner: str, *, lease_seconds: float) -> list[AlertMessage]:
        """The due messages of a route, held for this owner; another owner gets none of them while the lease runs."""
        ...

    def sent(self, ids: Sequence[int]) -> None:
        """Accepted by the other side: these never go out again."""
        ...

    def refused(self, ids: Sequence[int], error: str) -> None:
        """Refused for good: kept in the outbox, tried again only by `resend`."""
        ...

    def kept(self, ids: Sequence[int], owner: str, due: dt.datetime, error: str) -> None:
        """Not delivered this time: due again at `due`."""
        ...

    def resend(self, route: str) -> int: ...

    def unsent(self) -> list[AlertMessage]: ...

    def routes(self) -> dict[str, RouteState]: ...

    def note_route(self, state: RouteState) -> None: ...

    def ack(self, alert_key: str, by: str) -> bool:
        """Somebody is on it: no more reminders. False: no such alert is open."""
        ...

    def silence(self, pattern: str, until: dt.datetime, by: str) -> None: ...

    def unsilence(self, pattern: str) -> int: ...

    def purge(self, before: dt.datetime) -> int:
        """Remove messages delivered before that."""
        ...
