"""Take messages out of the outbox and send them: at least once, never again after the other side took one.

Owns grouping, leases, back-off and the bound in time. A route that fails rests, whatever it was to send; the others go on, each in
a thread of its own, so that one dead webhook delays nobody. What is not delivered stays in the outbox.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cbm_etl_assets.alerting import registry
from cbm_etl_assets.alerting.events import Kind, Notice
from cbm_etl_assets.alerting.http import Answer, Fate, Http
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.alerting.view import Look, views
from cbm_etl_assets.control.alert_port import AlertMessage, Alerts, RouteState
from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.reliability.process import process_owner
from cbm_etl_assets.reliability.retry import Clockwork, RetryPolicy, backoff_ceiling

logger = logging.getLogger(__name__)
BACKOFF = RetryPolicy(base_seconds=30.0, cap_seconds=1800.0)
LEASE_SECONDS = 120.0  # longer than any drain: a lease that ran out belongs to a process that is gone
DRAIN_SECONDS = 10.0
Told = tuple[AlertMessage, Notice]


@dataclass(frozen=True)
class Tools:
    """Everything that is not a pure function of the outbox. `now` is naive UTC."""

    look: Look
    now: Callable[[], dt.datetime]
    http: Http = field(default_factory=Http)
    clockwork: Clockwork = field(default_factory=Clockwork)
    group_above: int = 3


@dataclass
class Delivered:
    """What one drain came to, by route."""

    sent: dict[str, int] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list, repr=False)

    def wait(self, seconds: float | None = None) -> None:
        """Until the last route has given up: whoever closes the control database waits, or an abandoned thread opens it anew.

        With a bound: an answer that comes byte by byte never ends, since each byte is a sign of life.
        """
        for thread in self.threads:
            thread.join(seconds)


def drain(alerts: Alerts, routes: Sequence[Route], tools: Tools, *, seconds: float = DRAIN_SECONDS) -> Delivered:
    """Send what is due. Returns after `seconds` whatever the other sides do; never raises for a route that fails."""
    result = Delivered()
    rest = alerts.routes()
    deadline = tools.clockwork.monotonic() + seconds
    names = []
    for route in routes:
        state = rest.get(route.name, RouteState(route.name))
        if state.rest_until is None or state.rest_until <= tools.now():
            worker = _Route(alerts, route, state, tools, result, deadline)
            result.threads.append(threading.Thread(target=worker.run, name=f"alerts-{route.name}", daemon=True))
            names.append(route.name)
    for thread in result.threads:
        thread.start()
    for name, thread in zip(names, result.threads, strict=True):
        thread.join(max(0.0, deadline - tools.clockwork.monotonic()))
        if thread.is_alive():  # its messages stay leased; whoever comes after the lease sends them
            result.unfinished.append(name)
    return result


@dataclass
class _Route:
    """One route's turn."""

    alerts: Alerts
    route: Route
    state: RouteState
    tools: Tools
    result: Delivered
    deadline: float

    def run(self) -> None:
        try:
            self._run(process_owner(f"drain-{uuid.uuid4()}"))
        except CbmError as error:
            self.result.kept[self.route.name] = error.message
            logger.warning("Alert route %s: %s", self.route.name, error.message)
        except Exception as error:  # noqa: BLE001  a defect in one channel must not silence the others
            self.result.kept[self.route.name] = type(error).__name__
            logger.error("Alert route %s failed: %s", self.route.name, type(error).__name__)  # its text may hold the address

    def _run(self, owner: str) -> None:
        channel = registry.channel(self.route.channel)
        messages = self.alerts.claim(self.route.name, owner, lease_seconds=LEASE_SECONDS)
        batches = self._batches(self._readable(messages), channel.GROUPS)
        for position, batch in enumerate(batches):
            late = self.tools.clockwork.monotonic() >= self.deadline
            answer = Answer(Fate.LATER, "no time left") if late else self._send(channel, batch)
            if answer.fate is Fate.LATER:
                self._rest([message for later in batches[position:] for message, _ in later], owner, answer, is_failure=not late)
                return
            self._settle([message for message, _ in batch], answer)

    def _readable(self, messages: Sequence[AlertMessage]) -> list[Told]:
        """A row that cannot be read is refused: it must not hold up the others for ever."""
        found = []
        for message in messages:
            try:
                found.append((message, Notice.load(message.payload)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self._settle([message], Answer(Fate.REFUSED, f"unreadable payload: {type(error).__name__}"))
        return found

    def _batches(self, messages: Sequence[Told], groups: bool) -> list[list[Told]]:
        """Many at once are one message; the daily summary is always one of its own."""
        alone = [[one] for one in messages if one[1].kind is Kind.SUMMARY]
        others = [one for one in messages if one[1].kind is not Kind.SUMMARY]
        return [*([others] if groups and len(others) > self.tools.group_above else [[one] for one in others]), *alone]

    def _send(self, channel: registry.Channel, batch: Sequence[Told]) -> Answer:
        seen = views([notice for _, notice in batch], self.tools.look)
        return channel.send(self.route, seen, self.tools.look, self.tools.http)

    def _settle(self, batch: Sequence[AlertMessage], answer: Answer) -> None:
        ids, name = [message.id for message in batch], self.route.name
        if answer.fate is Fate.SENT:
            self.alerts.sent(ids)
            self.result.sent[name] = self.result.sent.get(name, 0) + len(ids)
            self.state = RouteState(name, sent=self.tools.now())
        else:
            self.alerts.refused(ids, answer.detail)
            self.result.refused[name] = answer.detail
            self.state = RouteState(name, self.state.failures + 1, last_error=answer.detail)
            logger.error("Alert route %s refused a message: %s", name, answer.detail)
        self.alerts.note_route(self.state)

    def _rest(self, messages: Sequence[AlertMessage], owner: str, answer: Answer, *, is_failure: bool) -> None:
        """Back to the outbox, and the route rests: as long as it asked for, else a jittered back-off."""
        name, now = self.route.name, self.tools.now()
        failures = self.state.failures + int(is_failure)
        ceiling = backoff_ceiling(BACKOFF, max(1, failures))
        wait = self.tools.clockwork.uniform(ceiling / 2, ceiling)
        until = now + dt.timedelta(seconds=max(wait, answer.retry_after_seconds or 0.0) if is_failure else 0.0)
        self.alerts.kept([message.id for message in messages], owner, until, answer.detail)
        self.result.kept[name] = answer.detail
        if is_failure:
            self.alerts.note_route(RouteState(name, failures, until, last_error=answer.detail))
            logger.warning("Alert route %s rests until %s UTC: %s", name, f"{until:%H:%M:%S}", answer.detail)
