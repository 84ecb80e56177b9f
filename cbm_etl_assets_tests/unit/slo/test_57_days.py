"""57 simulated days: 7,250 runs of seven tables, 79 of them failed, seen every five minutes.

The counts depend on how failures fall on the clock: seed 1 gives 6 pages and 40 tickets, seeds 1 to 20 give 3 to 9 and 34 to
47 (the facts' simulation gave 5 and 35). Google's windows page 10 to 25 times on the same journals, and once a failure where
runs are spread evenly; ours need two bad events in the long window, so a single failure never pages.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from cbm_etl_assets.settings import SloSettings
from cbm_etl_assets.slo.breaches import slo_breaches
from cbm_etl_assets.slo.evaluate import burns, evaluate
from cbm_etl_assets.slo.events import Events, burn_rate
from cbm_etl_assets.slo.model import Policy, Severity, Slo, TableEvidence
from cbm_etl_assets.slo.objectives import platform_objectives

DAYS, RUNS, FAILURES, TABLES = 57, 7250, 79, 7
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()
HOUR, DAY, STEP = 3600.0, 86400.0, 300
OBJECTIVES = platform_objectives(SloSettings())
ERRORS = OBJECTIVES[Slo.ERROR_RATE]


def journal(seed: int) -> Events:
    """Hourly loads of seven tables from 05 to 22 o'clock, the rest of the 7,250 at night; failures drawn at random."""
    draw = random.Random(seed)
    times = [START + d * DAY + h * HOUR + i * 20 for d in range(DAYS) for h in range(5, 23) for i in range(TABLES)]
    times += [START + draw.randrange(DAYS) * DAY + 2 * HOUR + i for i in range(RUNS - len(times))]
    bad = set(draw.sample(range(RUNS), FAILURES))
    return Events.of((t for i, t in enumerate(times) if i not in bad), (t for i, t in enumerate(times) if i in bad))


def openings(
    events: Events, severity: Severity, first: float = START, until: float = START + DAYS * DAY, state: bool = False
) -> tuple[int, bool]:
    """How often the condition begins to hold between two instants, and whether it holds at the end."""
    count, now = 0, first
    while now < until:
        now += STEP
        fires = next(b.fires for b in burns(ERRORS, events, now, Policy()) if b.severity is severity)
        count += fires and not state
        state = fires
    return count, state


def google(events: Events) -> int:
    """1 h/5 min at 14.4 or 6 h/30 min at 6, no least number of events."""
    pairs = ((14.4, (HOUR, 300.0)), (6.0, (6 * HOUR, 1800.0)))
    count, state, now = 0, False, START
    while now < START + DAYS * DAY:
        now += 60
        before, state = state, any(all(burn_rate(*events.count(now, w), 0.99) >= rate for w in windows) for rate, windows in pairs)
        count += state and not before
    return count


def test_the_journal_is_the_one_of_the_facts() -> None:
    events = journal(1)
    assert (len(events.good) + len(events.bad), len(events.bad)) == (RUNS, FAILURES)


def test_pages_and_tickets_of_57_days() -> None:
    events = journal(1)
    assert openings(events, Severity.PAGE)[0] == 6
    assert openings(events, Severity.TICKET)[0] == 40


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_any_seed_pages_less_than_once_a_week_or_so(seed: int) -> None:
    """A page needs two failures within six hours, one of them in the last; a ticket four in three days, one in the last six hours."""
    pages, tickets = (openings(journal(seed), severity)[0] for severity in (Severity.PAGE, Severity.TICKET))
    assert 2 <= pages <= 10
    assert 30 <= tickets <= 55


def test_googles_windows_page_more_for_the_same_journal() -> None:
    assert google(journal(1)) > openings(journal(1), Severity.PAGE)[0]


@pytest.mark.parametrize("day", [1, 20, 28, 40, 56])
def test_a_restart_in_the_middle_changes_nothing(day: int, tmp_path: Path) -> None:
    """What is open is all that a watcher keeps; everything else is computed from the journal again."""
    events = journal(1)
    kept = tmp_path / "open.json"
    middle = START + day * DAY + 7 * HOUR
    before, state = openings(events, Severity.TICKET, until=middle)
    kept.write_text(json.dumps(state))
    after, _ = openings(Events.of(list(events.good), list(events.bad)), Severity.TICKET, first=middle, state=json.loads(kept.read_text()))
    assert before + after == openings(events, Severity.TICKET)[0]


def test_a_stopped_daemon_is_told_once_by_every_objective_it_hurts() -> None:
    """Stopped on day 30: no failed run at all, and yet availability pages within the slot's grace, freshness after 36 hours."""
    stop = START + 30 * DAY
    slots = [START + d * DAY + 2 * HOUR for d in range(DAYS)]
    kept = Events.of((s + 60 for s in slots if s < stop), (s + 6 * HOUR for s in slots if s >= stop))
    table = TableEvidence("client", OBJECTIVES, slots=kept, runs=Events.of(kept.good, ()), fresh_as_of=max(kept.good) - 60)
    told: dict[str, float] = {}
    now = stop
    while now < stop + 4 * DAY:
        now += STEP
        seen = replace(table, slots=Events([t for t in kept.good if t <= now], [t for t in kept.bad if t <= now]))
        for breach in slo_breaches(evaluate([seen], OBJECTIVES, Policy(), dt.datetime.fromtimestamp(now, dt.UTC))):
            told.setdefault(f"{breach.key} {breach.severity}", (now - stop) / HOUR)
    assert told["slo:freshness:client page"] == pytest.approx(14.1, abs=0.2)  # last read at 02:00 of the day before
    assert told["slo:threshold:availability ticket"] == pytest.approx(8.1, abs=0.2)
    assert told["slo:burn:availability ticket"] == pytest.approx(32.1, abs=0.2)
    assert not any("error_rate" in key for key in told)
