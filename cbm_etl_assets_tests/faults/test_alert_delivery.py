"""A webhook that does everything a webhook can do: each event is delivered at least once and never again after a 2xx, or kept."""

from __future__ import annotations

import datetime as dt
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path

import pytest

from cbm_etl_assets.alerting.deliver import LEASE_SECONDS
from cbm_etl_assets.pipeline.watch import after_run
from cbm_etl_assets.sections import AlertSettings
from cbm_etl_assets.settings import ControlSettings, Settings
from cbm_etl_assets_tests.alert_fixture import CANARY, Answer, Journal, WebhookServer, alerts, journal_on, table, wait_until, webhook
from cbm_etl_assets_tests.control_fixture import ControlKit, control, control_postgres

__all__ = ["control", "control_postgres"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def journal(control: ControlKit) -> Journal:
    return journal_on(control)


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook() as played:
        yield played


def fail_and_watch(journal: Journal, settings: AlertSettings) -> None:
    journal.load("client", "TransientSourceError", "link lost")
    journal.watchman(settings).watch()


def texts(server: WebhookServer) -> list[str]:
    return [body["attachments"][0]["content"]["fallbackText"] for body in server.bodies]


def test_al05_one_failure_and_its_recovery_are_two_messages(journal: Journal, server: WebhookServer) -> None:
    settings = alerts(server.url)
    for error in ("TransientSourceError", "TransientSourceError", ""):
        journal.load("client", error, "link lost")
        for _ in range(2):
            journal.watchman(settings).watch()
            journal.watchman(settings).drain()
    assert texts(server) == [
        "Load failed · client: TransientSourceError: link lost", "Load failed · client (recovered): TransientSourceError: link lost",
    ]  # fmt: skip
    assert journal.told() == [("opened", "load:client"), ("recovered", "load:client")]


def test_al08_a_retry_after_is_respected_and_nothing_is_lost(journal: Journal, server: WebhookServer) -> None:
    server.script = [Answer(429, {"Retry-After": "120"}), Answer(202)]
    watchman = journal.watchman(alerts(server.url))
    fail_and_watch(journal, alerts(server.url))
    assert watchman.drain().kept == {"teams-1": "HTTP 429 from 127.0.0.1"}
    journal.forward(seconds=119)
    assert watchman.drain().sent == {}
    assert len(server.bodies) == 1, "asked again before its time"
    journal.forward(seconds=2)
    assert watchman.drain().sent == {"teams-1": 1}
    assert watchman.drain().sent == {}
    assert len(server.bodies) == 2


def test_a_retry_after_may_be_a_date_and_rests_the_whole_route(journal: Journal, server: WebhookServer) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)
    server.script = [Answer(503, {"Retry-After": format_datetime(later, usegmt=True)}), Answer(200)]
    watchman = journal.watchman(alerts(server.url))
    fail_and_watch(journal, alerts(server.url))
    watchman.drain()
    journal.catalog["stock"] = table("stock")
    journal.load("stock", "SourceError", "refused")
    watchman.watch()
    journal.forward(minutes=60)
    watchman.drain()
    assert len(server.bodies) == 1, "a new alert must not wake a route that rests"
    journal.forward(minutes=61)
    assert watchman.drain().sent == {"teams-1": 2}


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_with_growing_rests(journal: Journal, server: WebhookServer, status: int) -> None:
    server.script = [Answer(status), Answer(status), Answer(202)]
    watchman = journal.watchman(alerts(server.url))
    fail_and_watch(journal, alerts(server.url))
    rests = []
    for _ in range(3):
        watchman.drain()
        state = journal.store.alerts().routes()["teams-1"]
        if state.rest_until:
            rests.append((state.rest_until - watchman.naive()).total_seconds())
            journal.forward(seconds=rests[-1] + 1)
    assert 15 <= rests[0] <= 30 <= rests[1] <= 60
    assert journal.outbox() == [("load:client", "sent", 3)]


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 413])
def test_what_is_refused_stays_in_the_outbox_and_the_others_go_on(journal: Journal, server: WebhookServer, status: int) -> None:
    server.script = [Answer(status), Answer(202)]
    watchman = journal.watchman(alerts(server.url))
    fail_and_watch(journal, alerts(server.url))
    assert watchman.drain().refused == {"teams-1": f"HTTP {status} from 127.0.0.1"}
    journal.forward(days=2)
    assert watchman.drain().sent == {}, "only a person says that it may be tried again"
    assert journal.outbox() == [("load:client", "refused", 1)]
    assert journal.store.alerts().resend("teams-1") == 1
    assert watchman.drain().sent == {"teams-1": 1}


def test_nobody_listening_is_tried_again_and_told_by_the_other_routes(journal: Journal, server: WebhookServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}/hook?sig={CANARY}"
    settings = alerts(dead, server.url)
    watchman = journal.watchman(settings)
    fail_and_watch(journal, settings)
    done = watchman.drain()
    assert (done.sent, done.kept) == ({"teams-2": 1}, {"teams-1": "ConnectionError at 127.0.0.1"})
    for _ in range(2):
        journal.forward(hours=1)
        watchman.drain()
    watchman.watch()
    watchman.drain()
    assert "Alert route does not deliver · teams-1" in texts(server)[-1]


def test_a_hanging_webhook_delays_nobody_and_its_message_is_kept(journal: Journal, server: WebhookServer) -> None:
    with webhook(Answer(hang_seconds=30)) as hung:
        settings = alerts(hung.url, server.url)
        watchman = journal.watchman(settings)
        fail_and_watch(journal, settings)
        begun = time.monotonic()
        done = watchman.drain(seconds=1.0)
        assert time.monotonic() - begun < 3
        assert (done.sent, done.unfinished) == ({"teams-2": 1}, ["teams-1"])
        hung.released.set()
        done.wait()  # the abandoned thread still puts its message back
        assert "teams-1" in done.kept
    assert journal.outbox() == [("load:client", "pending", 1), ("load:client", "sent", 1)]


def test_an_answer_that_never_ends_is_left_behind(journal: Journal, server: WebhookServer) -> None:
    """Each byte is a sign of life to a time-out; the drain has a bound of its own."""
    with webhook(Answer(trickle=True)) as slow:
        settings = alerts(slow.url, server.url)
        fail_and_watch(journal, settings)
        begun = time.monotonic()
        done = journal.watchman(settings).drain(seconds=1.0)
        done.wait(0.2)
        assert time.monotonic() - begun < 4
        assert (done.sent, done.unfinished) == ({"teams-2": 1}, ["teams-1"])
        assert [state for _, state, _ in journal.outbox()] == ["pending", "sent"]
        slow.released.set()
        done.wait()
    assert [state for _, state, _ in journal.outbox()] == ["sent", "sent"], "it was a 202 in the end: never again"


def test_al09_a_restart_in_the_middle_of_a_storm_tells_nothing_twice(control: ControlKit, server: WebhookServer) -> None:
    names = [f"t{i:03}" for i in range(30)]
    journal = journal_on(control, *(table(name) for name in names))
    settings = alerts(server.url)
    for position, name in enumerate(names):
        journal.load(name, "TransientSourceError", "source down")
        if position == 14:
            journal.watchman(settings).watch()
            journal.watchman(settings).drain()
            journal.store.close()
            journal.store = control.open()  # as another process has it
    journal.watchman(settings).watch()
    journal.watchman(settings).drain()
    opened = [key for event, key in journal.told() if key.startswith("load:")]
    assert sorted(opened) == sorted(f"load:{name}" for name in names)
    assert len(server.bodies) == 2, "one card before the restart and one after it"
    assert texts(server) == ["16 alerts", "15 alerts"]  # with the one of many failures in 24 h


def test_al06_more_than_five_failures_are_told_once(journal: Journal, server: WebhookServer) -> None:
    settings = alerts(server.url)
    for _ in range(8):
        journal.load("client", "TransientSourceError", "x")
        journal.watchman(settings).watch()
    assert [pair for pair in journal.told() if pair[1] == "failures"] == [("opened", "failures")]
    journal.forward(hours=25)
    journal.load("client")
    journal.watchman(settings).watch()
    assert [pair for pair in journal.told() if pair[1] == "failures"] == [("opened", "failures"), ("recovered", "failures")]


def test_the_daily_summary_is_a_message_of_its_own_in_a_storm(control: ControlKit, server: WebhookServer) -> None:
    names = [f"t{i}" for i in range(6)]
    journal = journal_on(control, *(table(name) for name in names))
    journal.forward(hours=3)
    for name in names:
        journal.load(name, "SourceError", "x")
    settings = alerts(server.url, summary_hour=8)
    journal.watchman(settings).watch()
    journal.watchman(settings).drain()
    assert [text.split(":")[0] for text in texts(server)] == ["7 alerts", "Daily summary"]


def test_a_row_that_cannot_be_read_holds_up_nobody(journal: Journal, server: WebhookServer) -> None:
    fail_and_watch(journal, alerts(server.url))
    with journal.store._ready().transaction() as session:
        session.execute("UPDATE etl.Alert_Log SET Payload = 'no json'")
    journal.load("client")
    watchman = journal.watchman(alerts(server.url))
    watchman.watch()
    assert watchman.drain().sent == {"teams-1": 1}
    assert [state for _, state, _ in journal.outbox()] == ["refused", "sent"]


def test_two_processes_at_once_tell_each_event_once(control: ControlKit, server: WebhookServer) -> None:
    names = [f"t{i}" for i in range(4)]
    journal = journal_on(control, *(table(name) for name in names))
    for name in names:
        journal.load(name, "SourceError", "refused")
    env_url = control.settings.control.url
    arguments = [server.url, env_url.get_secret_value() if env_url else "", str(control.settings.home), ",".join(names)]
    script = str(Path(__file__).with_name("alert_process.py"))
    started = [
        subprocess.Popen([sys.executable, script, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], ended
    assert sorted(texts(server)) == sorted(f"Load failed · {name}: SourceError: refused" for name in names)
    assert {state for _, state, _ in journal.outbox()} == {"sent"}


def test_killed_between_the_post_and_the_commit_it_is_told_again_and_then_never(journal: Journal, control: ControlKit) -> None:
    journal.load("client", "SourceError", "refused")
    url = control.settings.control.url.get_secret_value() if control.settings.control.url else ""
    with webhook(Answer(hang_seconds=60), Answer(202)) as server:
        arguments = [server.url, url, str(control.settings.home), "client"]
        script = str(Path(__file__).with_name("alert_process.py"))
        process = subprocess.Popen([sys.executable, script, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: len(server.bodies) == 1)  # the other side has it, and the answer is on its way
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        watchman = journal.watchman(alerts(server.url))
        control.clock.at = dt.datetime.now(dt.UTC)
        assert watchman.drain().sent == {}, "its lease still runs: the process could live"
        journal.forward(seconds=LEASE_SECONDS + 60)
        assert watchman.drain().sent == {"teams-1": 1}
        assert watchman.drain().sent == {}
        assert len(server.bodies) == 2


def test_after_a_run_a_dead_webhook_neither_fails_nor_holds_the_load(journal: Journal, control: ControlKit) -> None:
    journal.load("client", "SourceError", "refused")
    with webhook(Answer(hang_seconds=60)) as server:
        settings = control.settings.model_copy(update={"alerts": alerts(server.url)})
        begun = time.monotonic()
        result = after_run(settings, journal.catalog, seconds=2)
        assert time.monotonic() - begun < 4
        assert result is not None
        assert "Alerts wait in the outbox" in result.note
        assert CANARY not in result.note
        server.released.set()
        [wait_for] = [thread for thread in threading.enumerate() if thread.name == "alerts"]
        wait_for.join()


def test_after_a_run_a_control_database_that_is_gone_is_a_word_and_no_failure(tmp_path: Path) -> None:
    from pydantic import SecretStr

    url = SecretStr(f"postgresql+psycopg://u:{CANARY}@127.0.0.1:1/none")
    settings = Settings(home=tmp_path, control=ControlSettings(url=url), alerts=alerts("http://127.0.0.1:1/x"))
    result = after_run(settings, {})
    assert result is not None
    assert "Control database" in result.note
    assert CANARY not in result.note


def test_without_a_way_out_a_run_pays_nothing(tmp_path: Path) -> None:
    assert after_run(Settings(home=tmp_path), {}) is None
    code = (
        "import sys; from cbm_etl_assets.settings import Settings; from cbm_etl_assets.cli.runtime import Runtime; "
        "runtime = Runtime(); runtime.__dict__['settings'] = Settings(); runtime.tell_alerts(runtime.output()); "
        "sys.exit(sorted(m for m in sys.modules if 'alerting' in m or m in ('requests', 'urllib3')) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_log_and_no_row_holds_the_address(journal: Journal, control: ControlKit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}/hook?sig={CANARY}"
    with webhook(Answer(500)) as failing, webhook(Answer(404)) as refusing, webhook(Answer(hang_seconds=0.2)) as closing:
        settings = alerts(failing.url, refusing.url, closing.url, dead, f"gopher://x?sig={CANARY}", f"http://[bad/?sig={CANARY}")
        journal.load("client", "SourceError", f"failed at https://hook.example/?sig={CANARY}")
        watchman = journal.watchman(settings)
        watchman.watch()
        done = watchman.drain()
    assert len(done.kept) + len(done.refused) == 6
    stored = journal.store.query("SELECT * FROM etl.Alert_Log") + journal.store.query("SELECT * FROM etl.Alert_Route")
    stored += journal.store.query("SELECT * FROM etl.Alert")
    assert CANARY not in str(stored) + caplog.text + str(done)
    assert caplog.records
