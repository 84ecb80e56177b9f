"""alert test, list, ack, silence, resend: what they print and do, on a control database of their own."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from cbm_etl_assets.cli.runtime import Runtime
from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.sections import AlertSettings
from cbm_etl_assets.settings import Settings
from cbm_etl_assets_tests.alert_fixture import CANARY, LENIENT, Answer, WebhookServer, alerts, table, webhook
from cbm_etl_assets_tests.unit.cli.fakes import Played, Stage

if TYPE_CHECKING:
    from cbm_etl_assets.pipeline.platform import Platform

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)


@dataclass
class Desk:
    """Plays commands on the real control database; the rest of the platform is not there."""

    home: Path
    alerts: AlertSettings = field(default_factory=AlertSettings)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, alerts=self.alerts, slo=LENIENT)

    def play(self, *arguments: str) -> Played:
        store = ControlStore(self.settings, lambda: NOW)

        @dataclass
        class Only:
            control: ControlStore

            def close(self) -> None:
                self.control.close()

        runtime = Runtime(
            lambda _: self.settings, lambda _: {"client": table("client")}, lambda *_: cast("Platform", Only(store)), now=lambda: NOW,
            starts_readers=False,
        )  # fmt: skip
        return Stage(self.home).play(*arguments, runtime=runtime)

    def json(self, *arguments: str) -> dict[str, Any]:
        return dict(json.loads(self.play(*arguments, "--json").out))

    def fail(self) -> None:
        store = ControlStore(self.settings, lambda: NOW)
        end = LogEnd("failed", NOW, error_class="SourceError", error_message="no such table \x1b[31m")
        store.end_log(store.start_log(LogStart("r1", "client", "full", "", NOW)), end)
        store.close()


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook() as played:
        yield played


@pytest.fixture
def desk(tmp_path: Path, server: WebhookServer) -> Desk:
    return Desk(tmp_path, alerts(server.url))


def test_a_test_message_goes_out_and_says_what_came_back(desk: Desk, server: WebhookServer) -> None:
    played = desk.play("alert", "test", "teams")
    assert (played.code, len(server.bodies)) == (0, 1)
    assert "Test message" in str(server.bodies)
    server.script = [Answer(403)]
    failed = desk.play("alert", "test", "teams-1", "--json")
    assert failed.code == 1
    assert json.loads(failed.out)["routes"] == [
        {"route": "teams-1", "channel": "teams", "result": "refused", "detail": "HTTP 403 from 127.0.0.1"}
    ]
    unknown = desk.play("alert", "test", "fax")
    assert (unknown.code, "Known: teams-1." in unknown.err) == (2, True)
    assert CANARY not in played.out + failed.out + unknown.err


def test_without_a_route_the_test_says_what_to_set(tmp_path: Path) -> None:
    played = Desk(tmp_path).play("alert", "test", "teams")
    assert played.code == 2
    assert "CBM_ALERTS__TEAMS_URL" in played.err


def test_what_is_open_is_listed_acknowledged_and_drives_no_terminal(desk: Desk) -> None:
    assert "No alert is open." in desk.play("alert", "list").out
    desk.fail()
    shown = desk.play("alert", "list")
    assert all(word in shown.out for word in ("load:client", "pending", "teams-1"))
    assert "\x1b" not in shown.out
    assert CANARY not in shown.out
    unknown = desk.play("alert", "ack", "load:stock")
    assert (unknown.code, "Open: load:client." in unknown.err) == (2, True)
    assert desk.play("alert", "ack", "load:client").code == 0
    document = desk.json("alert", "list")
    [alert] = document["alerts"]
    assert alert["acknowledged_by"]
    assert (alert["kind"], alert["state"], alert["notifications"]) == ("run_failure", "open", 1)
    assert [message["state"] for message in document["outbox"]] == ["pending"]
    assert document["routes"][0]["severities"] == ["info", "warning", "error", "critical"]


def test_silence_keeps_what_matches_from_being_told(desk: Desk) -> None:
    assert desk.play("alert", "silence", "load:*", "--hours", "2").code == 0
    desk.fail()
    document = desk.json("alert", "list")
    assert (len(document["alerts"]), document["outbox"]) == (1, [])
    assert document["silences"][0]["pattern"] == "load:*"
    assert "1 silences ended" in desk.play("alert", "silence", "load:*", "--hours", "0").out
    assert len(desk.json("alert", "list")["outbox"]) == 1


def test_resend_sends_what_a_wrong_address_refused(desk: Desk, server: WebhookServer) -> None:
    desk.fail()
    desk.play("alert", "list")
    server.script = [Answer(404)]
    refused = desk.play("alert", "resend", "teams-1")
    assert (refused.code, "HTTP 404" in refused.out) == (1, True)
    assert desk.json("alert", "list")["outbox"][0]["state"] == "refused"
    server.script = [Answer(202)]
    assert desk.json("alert", "resend", "teams-1") == {
        "command": "alert resend", "route": "teams-1", "queued": 1, "sent": 1, "detail": "",
    }  # fmt: skip
    assert desk.json("alert", "list")["outbox"] == []


def test_the_summary_of_a_run_says_when_alerts_wait(desk: Desk, server: WebhookServer) -> None:
    desk.fail()
    server.script = [Answer(500)]
    runtime = Runtime(lambda _: desk.settings, lambda _: {"client": table("client")}, starts_readers=False)
    output = runtime.output()
    notes: list[str] = []
    output.note = notes.append  # type: ignore[method-assign]
    runtime.tell_alerts(output)
    assert notes == ["Alerts wait in the outbox (teams-1: HTTP 500 from 127.0.0.1); cbm-etl alert list shows them."]
