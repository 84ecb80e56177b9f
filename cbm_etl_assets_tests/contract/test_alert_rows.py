"""The rows of alerting on every control database: turns, leases, and what is never sent again."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from cbm_etl_assets.control.alert_port import AlertBoard, AlertChanges, AlertMessage, AlertRow, RouteState
from cbm_etl_assets.control.alerts import AlertStore
from cbm_etl_assets_tests.control_fixture import START, ControlKit, control, control_postgres

__all__ = ["control", "control_postgres"]
NOW = START.replace(tzinfo=None)
ROW = AlertRow("load:client", "run_failure", "client", "error", "open", "1", NOW, NOW, NOW, facts='{"detail": "é"}')
MESSAGE = AlertMessage("d1", "load:client", "run_failure", "client", "error", "opened", "teams", "{}", NOW)


def write(store: AlertStore, *messages: AlertMessage) -> None:
    store.update(lambda _: AlertChanges((ROW,), messages))


def test_what_is_written_is_read(control: ControlKit) -> None:
    store = control.store.alerts()
    changed = replace(ROW, state="closed", closed=NOW, notified=NOW, notifications=2, acked=NOW, acked_by="anne")
    store.update(lambda _: AlertChanges((ROW,), cursors={"watch": "x"}))
    assert store.board() == AlertBoard({"load:client": ROW}, (), {"watch": "x", "summary": ""})
    store.update(lambda _: AlertChanges((changed,)))
    assert store.board().rows == {"load:client": changed}


def test_two_watchers_take_turns(control: ControlKit) -> None:
    first, second = control.open().alerts(), control.open().alerts()
    inside, seen = threading.Event(), list[list[str]]()

    def slow(board: AlertBoard) -> AlertChanges:
        seen.append(sorted(board.rows))
        inside.set()
        threading.Event().wait(0.3)  # the other one comes meanwhile
        return AlertChanges((ROW,), (MESSAGE,))

    def quick(board: AlertBoard) -> AlertChanges:
        seen.append(sorted(board.rows))
        return AlertChanges((ROW,), (MESSAGE,))

    with ThreadPoolExecutor(2) as pool:
        slower = pool.submit(first.update, slow)
        assert inside.wait(30)
        pool.submit(second.update, quick).result()
        slower.result()
    assert seen == [[], ["load:client"]], "the second one saw what the first had written"
    assert len(first.unsent()) == 1


def test_a_watcher_that_fails_writes_nothing(control: ControlKit) -> None:
    store = control.store.alerts()

    def fail(_: AlertBoard) -> AlertChanges:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        store.update(fail)
    write(store, MESSAGE, MESSAGE)
    assert len(store.unsent()) == 1


def test_a_message_is_leased_to_one_owner_at_a_time(control: ControlKit) -> None:
    store, other = control.store.alerts(), control.open().alerts()
    write(
        store,
        MESSAGE,
        replace(MESSAGE, dedupe_key="d2", route_name="slack"),
        replace(MESSAGE, dedupe_key="d3", due=NOW + dt.timedelta(hours=1)),
    )
    [held] = store.claim("teams", "me", lease_seconds=60)
    assert (held.dedupe_key, held.attempts) == ("d1", 1)
    assert other.claim("teams", "you", lease_seconds=60) == []
    control.clock.forward(seconds=61)
    [taken] = other.claim("teams", "you", lease_seconds=60)
    assert (taken.id, taken.attempts) == (held.id, 2)
    store.kept([held.id], "me", NOW, "too late")
    assert store.claim("teams", "me", lease_seconds=60) == [], "it is no longer its to put back"
    store.sent([held.id])  # but what the other side took, it took
    other.kept([held.id], "you", NOW, "x")
    control.clock.forward(hours=2)
    assert [m.dedupe_key for m in store.claim("teams", "me", lease_seconds=60)] == ["d3"]


def test_claims_of_many_share_nothing(control: ControlKit) -> None:
    store = control.store.alerts()
    write(store, *(replace(MESSAGE, dedupe_key=f"d{i}") for i in range(40)))
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda i: [m.id for m in control.store.alerts().claim("teams", f"o{i}", lease_seconds=60)], range(8)))
    ids = [one for batch in taken for one in batch]
    assert (len(ids), len(set(ids))) == (40, 40)


def test_refused_waits_for_a_person(control: ControlKit) -> None:
    store = control.store.alerts()
    write(store, MESSAGE)
    [held] = store.claim("teams", "me", lease_seconds=60)
    store.refused([held.id], "HTTP 404")
    control.clock.forward(days=30)
    assert store.claim("teams", "me", lease_seconds=60) == []
    assert [(m.state, m.last_error) for m in store.unsent()] == [("refused", "HTTP 404")]
    assert (store.resend("slack"), store.resend("teams")) == (0, 1)
    assert len(store.claim("teams", "me", lease_seconds=60)) == 1


def test_a_silence_ends_by_itself_or_by_hand(control: ControlKit) -> None:
    store = control.store.alerts()
    store.silence("load:*", NOW + dt.timedelta(hours=2), "anne")
    assert [s.pattern for s in store.board().silences] == ["load:*"]
    control.clock.forward(hours=3)
    assert store.board().silences == ()
    store.silence("*", NOW + dt.timedelta(hours=9), "anne")
    assert (store.unsilence("load:*"), store.unsilence("*")) == (0, 1)
    assert store.board().silences == ()


def test_only_what_is_open_can_be_acknowledged(control: ControlKit) -> None:
    store = control.store.alerts()
    assert store.ack("load:client", "anne") is False
    write(store)
    assert store.ack("load:client", "anne") is True
    assert store.board().rows["load:client"].acked_by == "anne"


def test_a_route_keeps_its_last_delivery_through_failures(control: ControlKit) -> None:
    store = control.store.alerts()
    store.note_route(RouteState("teams", sent=NOW))
    later = NOW + dt.timedelta(hours=1)
    store.note_route(RouteState("teams", 2, later, last_error="HTTP 500"))
    assert store.routes() == {"teams": RouteState("teams", 2, later, NOW, "HTTP 500")}
