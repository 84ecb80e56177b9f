"""When a message is worth writing: pure, one look after the other, as a watcher would."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from cbm_etl_assets.alerting.events import Announcement, Condition, Event, Facts, Kind, Notice, Severity
from cbm_etl_assets.alerting.policy import Policy, Seen, decide, quiet_until
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.control.alert_port import AlertBoard, AlertMessage, Silence

T0 = dt.datetime(2026, 11, 21, 8, 0)
HOUR = dt.timedelta(hours=1)
TEAMS = Route("teams", "teams")
URGENT = Route("nuit", "pagerduty", frozenset({Severity.CRITICAL}))


class World:
    """The board between looks; a dedupe key is written once, as the database does."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy((TEAMS,))
        self.board = AlertBoard({}, (), {"watch": T0.isoformat()})
        self.messages: list[AlertMessage] = []

    def look(self, at: dt.datetime, *conditions: Condition, announcements: tuple[Announcement, ...] = ()) -> list[str]:
        changes = decide(self.board, Seen(conditions, announcements, frozenset(Kind)), self.policy, at)
        known = {message.dedupe_key for message in self.messages}
        new = [message for message in changes.messages if message.dedupe_key not in known]
        self.messages += new
        rows = self.board.rows | {row.alert_key: row for row in changes.rows}
        self.board = replace(self.board, rows=rows, cursors={"watch": at.isoformat()})
        return [f"{m.event_name} {m.alert_key}" + (f" @{m.route_name}" if len(self.policy.routes) > 1 else "") for m in new]


def failed(table: str = "client", episode: str = "1", **more: object) -> Condition:
    base = Condition(f"load:{table}", Kind.RUN_FAILURE, Severity.ERROR, T0, table, episode, facts=Facts(detail="link lost"))
    return replace(base, **more)  # type: ignore[arg-type]


def test_al05_recovery_after_failures_is_told_once() -> None:
    world = World()
    assert world.look(T0, failed()) == ["opened load:client"]
    assert world.look(T0 + HOUR, failed(facts=Facts(count=2))) == []
    assert world.look(T0 + 2 * HOUR) == ["recovered load:client"]
    assert world.look(T0 + 3 * HOUR) == []
    assert world.look(T0 + 4 * HOUR, failed(episode="9")) == ["opened load:client"]


def test_al06_a_count_over_a_window_is_told_once_a_window() -> None:
    world = World()
    many = Condition("failures", Kind.FAILURES, Severity.ERROR, T0)
    assert world.look(T0, many) == ["opened failures"]
    assert world.look(T0 + HOUR) == ["recovered failures"]
    assert world.look(T0 + 2 * HOUR, many) == [], "the sixth failure of the same window"
    assert world.look(T0 + 3 * HOUR) == [], "and its end was told"
    assert world.look(T0 + 25 * HOUR, many) == ["opened failures"]


def test_al06_a_summary_is_told_once_a_day() -> None:
    world = World()
    told = Announcement("summary:2026-11-21", Event.SUMMARY, Kind.SUMMARY, Severity.INFO, T0)
    assert world.look(T0, announcements=(told,)) == ["summary summary:2026-11-21"]
    assert world.look(T0 + HOUR, announcements=(told,)) == []


def test_what_stays_open_is_told_again_after_a_day_until_somebody_is_on_it() -> None:
    world = World()
    world.look(T0, failed())
    assert world.look(T0 + 23 * HOUR, failed()) == []
    assert world.look(T0 + 24 * HOUR, failed()) == ["reminded load:client"]
    acked = replace(world.board.rows["load:client"], acked=T0, acked_by="anne")
    world.board = replace(world.board, rows={"load:client": acked})
    assert world.look(T0 + 96 * HOUR, failed()) == []
    assert world.look(T0 + 97 * HOUR) == ["recovered load:client"]
    assert world.board.rows["load:client"].acked_by == "", "the next failure is nobody's yet"


def test_what_gets_worse_or_becomes_another_thing_is_told() -> None:
    world = World()
    world.look(T0, failed(severity=Severity.WARNING))
    assert world.look(T0 + HOUR, failed()) == ["changed load:client"]
    assert world.look(T0 + 2 * HOUR, failed(severity=Severity.WARNING)) == []
    assert world.look(T0 + 3 * HOUR, failed(kind=Kind.MASS_DELETE, severity=Severity.WARNING)) == ["changed load:client"]


def test_a_failure_that_healed_between_two_looks_is_told_in_one_message() -> None:
    world = World()
    over = failed(ended=T0 + HOUR / 2)
    assert world.look(T0 + HOUR, over) == ["recovered load:client"]
    assert world.look(T0 + HOUR * 1.2, over) == []
    old = failed("stock", ended=T0 - 5 * HOUR)
    assert world.look(T0 + HOUR * 1.3, old) == [], "the journal's past is no news"


def test_a_kind_that_was_not_looked_for_stays_as_it_is() -> None:
    world = World()
    world.look(T0, failed())
    seen = Seen((), (), frozenset({Kind.ASSET_FRESHNESS}))
    assert decide(world.board, seen, world.policy, T0 + HOUR).rows == ()


def test_silence_delays_the_message_and_acknowledges_nothing() -> None:
    world = World()
    world.board = replace(world.board, silences=(Silence("load:cli*", T0 + 2 * HOUR, "anne", T0),))
    assert world.look(T0, failed(), failed("stock")) == ["opened load:stock"]
    assert world.board.rows["load:client"].state == "open"
    assert world.look(T0 + 3 * HOUR, failed(), failed("stock")) == ["opened load:client"]
    short = World()
    short.board = replace(short.board, silences=(Silence("*", T0 + 9 * HOUR, "anne", T0),))
    short.look(T0, failed())
    assert short.look(T0 + 10 * HOUR) == [], "nobody was told it broke"


def test_what_got_worse_in_silence_is_told_after_it_and_an_end_is_told_through_it() -> None:
    world = World()
    world.look(T0, failed(severity=Severity.WARNING))
    world.board = replace(world.board, silences=(Silence("*", T0 + 2 * HOUR, "anne", T0),))
    assert world.look(T0 + HOUR, failed()) == []
    assert world.look(T0 + 3 * HOUR, failed()) == ["changed load:client"]
    world.board = replace(world.board, silences=(Silence("*", T0 + 9 * HOUR, "anne", T0),))
    assert world.look(T0 + 4 * HOUR) == ["recovered load:client"], "an incident somewhere else must not stay open"


def test_whoever_heard_of_the_worst_hears_of_the_end() -> None:
    world = World(Policy((TEAMS, URGENT)))
    world.look(T0, failed(severity=Severity.CRITICAL))
    assert world.look(T0 + HOUR, failed(severity=Severity.WARNING)) == []
    assert world.look(T0 + 2 * HOUR) == ["recovered load:client @teams", "recovered load:client @nuit"]
    assert world.look(T0 + 3 * HOUR, failed(severity=Severity.WARNING, episode="2")) == ["opened load:client @teams"]
    assert world.look(T0 + 4 * HOUR) == ["recovered load:client @teams"]


def test_without_a_way_out_it_is_recorded_and_told_when_there_is_one() -> None:
    world = World(Policy(()))
    assert world.look(T0, failed()) == []
    assert world.board.rows["load:client"].state == "open"
    world.policy = Policy((TEAMS,))
    assert world.look(T0 + HOUR, failed()) == ["opened load:client"]


def test_each_severity_takes_its_routes() -> None:
    world = World(Policy((TEAMS, URGENT)))
    assert world.look(T0, failed()) == ["opened load:client @teams"]
    critical = Condition("circuit:source", Kind.CIRCUIT, Severity.CRITICAL, T0)
    assert world.look(T0 + HOUR, failed(), critical) == ["opened circuit:source @teams", "opened circuit:source @nuit"]


@pytest.mark.parametrize(("at", "due"), [
    (dt.datetime(2026, 11, 21, 20, 59), dt.datetime(2026, 11, 21, 20, 59)),  # 21:59 in Paris
    (dt.datetime(2026, 11, 21, 21, 0), dt.datetime(2026, 11, 22, 6, 0)),
    (dt.datetime(2026, 11, 22, 5, 59), dt.datetime(2026, 11, 22, 6, 0)),
    (dt.datetime(2026, 11, 22, 6, 0), dt.datetime(2026, 11, 22, 6, 0)),
    (dt.datetime(2026, 3, 28, 22, 0), dt.datetime(2026, 3, 29, 5, 0)),  # the night that summer time begins
])  # fmt: skip
def test_quiet_hours_hold_a_message_until_their_end(at: dt.datetime, due: dt.datetime) -> None:
    policy = Policy((TEAMS,), quiet=(dt.time(22), dt.time(7)), timezone="Europe/Paris")
    assert quiet_until(policy, Severity.ERROR, at) == due
    assert quiet_until(policy, Severity.CRITICAL, at) == at
    noon = Policy((TEAMS,), quiet=(dt.time(12), dt.time(14)), timezone="UTC")
    assert quiet_until(noon, Severity.INFO, dt.datetime(2026, 1, 1, 13)) == dt.datetime(2026, 1, 1, 14)


def test_a_notice_survives_the_outbox() -> None:
    facts = Facts(("a@b.fr",), "é <at>\n", "SqlWidthError", "r", ("ods/x",), 3, {"rows": 2.0}, "s", "critical")
    notice = Notice(Event.OPENED, "k", Kind.RUN_FAILURE, Severity.ERROR, "t", T0, T0 + HOUR, facts)
    assert Notice.load(notice.dump()) == notice
    assert Facts.load('{"detail": "x", "unknown": 1}') == Facts(detail="x")
