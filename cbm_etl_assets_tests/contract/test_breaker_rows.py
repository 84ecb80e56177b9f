"""etl.Breaker on every control database: shared by processes, one prober, no lost count."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

from cbm_etl_assets.reliability.breaker import Breaker, BreakerPolicy, BreakerState, failed, passed, probing
from cbm_etl_assets_tests.control_fixture import START, ControlKit, control, control_postgres

__all__ = ["control", "control_postgres"]
NAIVE = START.replace(tzinfo=None)
POLICY = BreakerPolicy(failures=2, cool_down_seconds=60)


def fail(found: Breaker) -> Breaker:
    return failed(found, ("TransientSourceError", "l'hôte ne répond pas"), NAIVE, POLICY)


def test_one_that_never_failed_has_no_row(control: ControlKit) -> None:
    assert control.store.breakers() == {}
    assert control.store.change_breaker("source", lambda _: None) is None
    assert control.store.breakers() == {}


def test_every_process_sees_the_same_state(control: ControlKit) -> None:
    other = control.open()
    control.store.change_breaker("source", fail)
    other.change_breaker("source", fail)
    [found] = control.store.breakers().values()
    assert (found.resource, found.state, found.failures, found.version) == ("source", BreakerState.OPEN, 2, 2)
    assert (found.opened_utc, found.next_probe_utc, found.failed_utc) == (NAIVE, NAIVE + dt.timedelta(seconds=60), NAIVE)
    assert found.error_message == "l'hôte ne répond pas"
    other.change_breaker("source", passed)
    assert control.store.breakers()["source"].is_clean


def test_no_failure_is_lost_between_processes(control: ControlKit) -> None:
    policy = BreakerPolicy(failures=0)
    stores = [control.open() for _ in range(4)]
    for store in stores:
        store.upgrade()
    with ThreadPoolExecutor(4) as threads:
        for store in stores * 5:
            threads.submit(store.change_breaker, "warehouse", lambda seen: failed(seen, ("E", "e"), NAIVE, policy))
    assert control.store.breakers()["warehouse"].failures == 20


def test_one_of_many_gets_the_probe(control: ControlKit) -> None:
    for _ in range(2):
        control.store.change_breaker("source", fail)
    later = NAIVE + dt.timedelta(seconds=60)
    stores = [control.open() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        claims = list(threads.map(lambda store: store.change_breaker("source", lambda seen: probing(seen, later)), stores))
    assert sum(claim is not None for claim in claims) == 1
    assert control.store.breakers()["source"].state is BreakerState.HALF_OPEN
