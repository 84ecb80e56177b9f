"""57 simulated days through rules and policy: messages as the burn rules say; a restart in the middle changes nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest

from cbm_etl_assets.alerting.events import Condition, Kind, Severity
from cbm_etl_assets.control.alert_port import AlertBoard, AlertRow
from cbm_etl_assets.slo.evaluate import burns
from cbm_etl_assets.slo.model import Policy as Windows
from cbm_etl_assets.slo.model import Severity as Urgency
from cbm_etl_assets_tests.unit.alerting.test_policy import World
from cbm_etl_assets_tests.unit.slo.test_57_days import DAY, DAYS, ERRORS, START, STEP, journal

KEY = "slo:burn:error_rate"


@cache
def states() -> list[tuple[dt.datetime, Severity | None]]:
    """What `slo` says every five minutes: a page, a ticket or nothing."""
    events, found = journal(1), []
    for step in range(1, int(DAYS * DAY / STEP) + 1):
        now = START + step * STEP
        firing = {burn.severity for burn in burns(ERRORS, events, now, Windows()) if burn.fires}
        severity = Severity.ERROR if Urgency.PAGE in firing else Severity.WARNING if firing else None
        found.append((dt.datetime.fromtimestamp(now, dt.UTC).replace(tzinfo=None), severity))
    return found


def told(restart_at: int = -1) -> list[str]:
    world = World()
    lines = []
    for position, (now, severity) in enumerate(states()):
        if position == restart_at:
            # A new process knows what the control database holds, and nothing else.
            rows = {key: AlertRow(**vars(row)) for key, row in world.board.rows.items()}
            messages, world = world.messages, World()
            world.board = AlertBoard(rows, (), {"watch": now.isoformat()})
            world.messages = [replace(message) for message in messages]
        conditions = [Condition(KEY, Kind.SLO_BURN, severity, now)] if severity else []
        before = len(world.messages)
        world.look(now, *conditions)
        lines += [f"{now} {m.event_name} {m.severity}" for m in world.messages[before:]]
    return lines


def test_messages_are_what_the_burn_rules_say() -> None:
    lines = [line.split(" ")[2:] for line in told()]
    seen = [None, *(severity for _, severity in states())]
    steps = list(pairwise(seen))
    pages = sum(after is Severity.ERROR and before is not Severity.ERROR for before, after in steps)
    assert sum(event in ("opened", "changed") and severity == "error" for event, severity in lines) == pages == 6
    assert sum(event == "opened" for event, _ in lines) == sum(after is not None and before is None for before, after in steps)
    assert sum(event == "recovered" for event, _ in lines) == sum(after is None and before is not None for before, after in steps)


@pytest.mark.parametrize("day", [3, 28, 50])
def test_a_restart_in_the_middle_changes_nothing(day: int) -> None:
    assert told(int(day * DAY / STEP) + 7) == told()
