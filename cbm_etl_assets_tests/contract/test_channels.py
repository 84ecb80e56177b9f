"""Every channel that speaks HTTP: the same answers mean the same to each, and each says what its other side expects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.alerting import registry
from cbm_etl_assets.alerting.http import Fate, Http, judge, seconds_of
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.alerting.view import views
from cbm_etl_assets.errors import SettingsError
from cbm_etl_assets.settings import load_settings
from cbm_etl_assets_tests.alert_fixture import CANARY, Answer, WebhookServer, webhook
from cbm_etl_assets_tests.unit.alerting.test_cards import LOOKS, notice, storm

ROOT = Path(__file__).parents[2]
CHANNELS = ["teams", "slack", "webhook", "pagerduty"]
LOOK = LOOKS["en"]


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook() as played:
        yield played


def route(channel: str, url: str) -> Route:
    return Route(channel, channel, url=SecretStr(url), key=SecretStr(CANARY))


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("answer", "fate"), [
    (Answer(200), Fate.SENT), (Answer(202), Fate.SENT), (Answer(429, {"Retry-After": "7"}), Fate.LATER), (Answer(500), Fate.LATER),
    (Answer(400), Fate.REFUSED), (Answer(404), Fate.REFUSED), (Answer(302, {"Location": "http://127.0.0.1:1/"}), Fate.REFUSED),
])  # fmt: skip
def test_the_same_answer_means_the_same(server: WebhookServer, channel: str, answer: Answer, fate: Fate) -> None:
    server.script = [answer]
    said = registry.channel(channel).send(route(channel, server.url), views([notice()], LOOK), LOOK, Http(5))
    assert said.fate is fate
    assert said.retry_after_seconds == (7 if answer.status == 429 else None)
    assert CANARY not in said.detail
    assert len(server.raw) == 1, "a redirect is not followed: the address would go to a stranger"


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_hang_ends_with_the_time_out(server: WebhookServer, channel: str) -> None:
    server.script = [Answer(hang_seconds=60)]
    said = registry.channel(channel).send(route(channel, server.url), views([notice()], LOOK), LOOK, Http(0.3))
    assert said.fate is Fate.LATER


def test_what_each_says(server: WebhookServer) -> None:
    for channel in CHANNELS:
        registry.channel(channel).send(route(channel, server.url), views([notice()], LOOK), LOOK, Http(5))
    teams, slack, generic, pagerduty = server.bodies
    assert teams["type"] == "message"
    assert slack["attachments"][0]["blocks"][0]["type"] == "header"
    assert (generic["format"], generic["alerts"][0]["key"]) == (1, "load:client")
    assert (pagerduty["routing_key"], pagerduty["event_action"]) == (CANARY, "trigger")
    tokens = [headers.get("Authorization") for headers in server.headers]
    assert tokens == [None, None, f"Bearer {CANARY}", None]
    assert all(headers["Content-Type"] == "application/json" for headers in server.headers)


def test_three_hundred_alerts_are_one_message_where_a_channel_groups(server: WebhookServer) -> None:
    for channel in ("teams", "slack", "webhook"):
        registry.channel(channel).send(route(channel, server.url), views(storm(300), LOOK), LOOK, Http(5))
    assert [json.loads(raw) == body for raw, body in zip(server.raw, server.bodies, strict=True)] == [True] * 3
    assert server.bodies[2]["total"] == 300
    assert not registry.channel("pagerduty").GROUPS


@pytest.mark.parametrize(("text", "seconds"), [
    ("120", 120), (" 5 ", 5), ("99999999999", 86400), ("-3", None), ("soon", None), ("", None), (None, None),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
])  # fmt: skip
def test_retry_after_is_read_as_it_may_be_written(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text) == seconds
    assert judge(429, text, "h").retry_after_seconds == seconds


def test_routes_come_from_the_environment_and_a_wrong_one_shows_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CBM_HOME", str(tmp_path))
    declared = [{"name": "nuit", "channel": "teams", "url": f"https://x/?sig={CANARY}", "severities": ["critical"]}]
    monkeypatch.setenv("CBM_ALERTS__ROUTES", json.dumps(declared))
    monkeypatch.setenv("CBM_ALERTS__EMAIL_TO", '["a@b.fr"]')
    settings = load_settings(env_file=tmp_path / "none")
    assert [r.name for r in settings.alerts.routes] == ["nuit"]
    assert f"https://x/?sig={CANARY}" in settings.secrets()
    assert CANARY not in repr(settings) + str(settings)
    for wrong in (json.dumps([declared[0] | {"channel": "fax"}]), json.dumps(declared * 2), f"[{CANARY}"):
        monkeypatch.setenv("CBM_ALERTS__ROUTES", wrong)
        with pytest.raises(SettingsError) as caught:
            load_settings(env_file=tmp_path / "none")
        assert CANARY not in str(caught.value)
    monkeypatch.delenv("CBM_ALERTS__ROUTES")
    monkeypatch.setenv("CBM_ALERTS__QUIET_HOURS", "22h-7h")
    with pytest.raises(SettingsError, match="must be HH:MM-HH:MM"):
        load_settings(env_file=tmp_path / "none")


def test_the_proxy_of_the_machine_is_used(server: WebhookServer) -> None:
    """A webhook outside is reached through HTTPS_PROXY alone in many companies."""
    code = (
        "from cbm_etl_assets.alerting.http import Http; import sys; "
        "print(Http(5).post('http://hook.invalid/x', {'a': 1}).fate.value)"
    )  # fmt: skip
    env = {**os.environ, "http_proxy": f"http://127.0.0.1:{server.port}", "no_proxy": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "sent", done.stderr
    assert server.bodies == [{"a": 1}]
