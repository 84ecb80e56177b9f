"""What each channel sends: valid by the official schema, under its cap, harmless whatever the data says."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema.validators import Draft6Validator
from pydantic import SecretStr

from cbm_etl_assets.alerting import registry, texts
from cbm_etl_assets.alerting.channels import email, pagerduty, slack, teams, webhook
from cbm_etl_assets.alerting.events import Event, Facts, Kind, Notice, Severity
from cbm_etl_assets.alerting.routes import Route, routes_of
from cbm_etl_assets.alerting.view import Look, View, views
from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.sections import AlertSettings, RouteSettings, SmtpSettings

OURS = ("https://etl.example/runs/", "https://etl.example/assets/ods/")
T0 = dt.datetime(2026, 11, 21, 7, 30)
LOOKS = {language: Look(language, "Europe/Paris", "PROD", "https://etl.example") for language in ("en", "fr")}
HOSTILE = (
    "<at>everyone</at> <!channel> <@U123> @here [click](https://evil.example/x) ![i](http://evil.example/i.png) **bold** "
    "<a href='javascript:alert(1)'>x</a> <script>alert(1)</script> www.evil.com evil.com/login file:\\\\server\\share "
    "{{DATE(2017-02-14T06:00Z, SHORT)}} ${$root} é 😀 \u202egnp.exe \u200b\r\nBcc: victim@example.fr\x00\x1b[31m ```code``` | a | b |"
)


def notice(**changes: Any) -> Notice:
    facts = Facts(
        ("ventes@example.fr", "team:data"), "link lost after 30 s", "TransientSourceError", "r-1", tuple(f"ods/t{i}" for i in range(12)), 3
    )
    base = Notice(Event.OPENED, "load:client", Kind.RUN_FAILURE, Severity.ERROR, "client", T0, T0, facts)
    return replace(base, **changes)


def hostile() -> Notice:
    facts = Facts((HOSTILE,), HOSTILE * 30, HOSTILE, HOSTILE, (HOSTILE, HOSTILE), 2, {"rows": 3.0}, HOSTILE)
    return notice(table=HOSTILE[:128], facts=facts, key=f"load:{HOSTILE[:128]}")


def storm(number: int) -> list[Notice]:
    made = [notice(table=f"table_à_très_long_nom_{i:03}", key=f"load:{i}", facts=Facts(detail="é😀" * 300)) for i in range(number)]
    return [*made[:-1], replace(made[-1], event=Event.RECOVERED)]


def validator() -> Draft6Validator:
    found = importlib.util.find_spec("adaptive_cards")
    assert found
    assert found.submodule_search_locations
    text = (Path(found.submodule_search_locations[0]) / "schemas" / "schema-1.4.json").read_text(encoding="utf-8")
    return Draft6Validator(json.loads(text))


OFFICIAL = validator()


def card_of(body: Any) -> dict[str, Any]:
    assert set(body) == {"type", "attachments"}
    [attachment] = body["attachments"]
    assert (body["type"], attachment["contentType"], attachment["contentUrl"]) == (
        "message", "application/vnd.microsoft.card.adaptive", None,
    )  # fmt: skip
    return dict(attachment["content"])


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


def shapes() -> dict[str, list[Notice]]:
    found = {f"{kind} {event}": [notice(kind=kind, event=event)] for kind in Kind for event in (Event.OPENED, Event.RECOVERED)}
    found |= {f"{severity}": [notice(severity=severity)] for severity in Severity}
    return found | {"hostile": [hostile()], "bare": [notice(facts=Facts(), table="")], "storm": storm(300), "few": storm(5)}


SHAPES = shapes()


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_card_is_valid_by_the_official_schema_and_small(shape: str, language: str) -> None:
    body = teams.message(views(SHAPES[shape], LOOKS[language]), LOOKS[language])
    card = card_of(body)
    card.pop("msteams")
    assert [error.message for error in OFFICIAL.iter_errors(card)] == []
    assert card["version"] == "1.4"
    assert len(json.dumps(body)) <= 18 * 1024
    kinds = {part["type"] for part in _parts(card)}
    assert "TextBlock" not in kinds, "its text is markdown"
    assert {part["type"] for part in card.get("actions", [])} <= {"Action.OpenUrl"}


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value
        for one in value.values():
            yield from _parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _parts(one)


def test_al07_three_hundred_failing_tables_are_one_short_valid_card() -> None:
    look = LOOKS["fr"]
    body = teams.message(views(storm(300), look), look)
    text = json.dumps(body)
    assert len(text) < 18 * 1024
    card = card_of(json.loads(text))
    assert card["fallbackText"] == "299 alertes, 1 rétablie(s)"
    shown = [s for s in strings(card) if "table_à_très_long_nom" in s]
    assert 5 < len(shown) < 60
    assert any(f"et {300 - len(shown)} de plus" in s for s in strings(card)), "what is cut is counted"


@pytest.mark.parametrize("channel", ["teams", "slack", "webhook", "pagerduty"])
def test_hostile_data_mentions_nobody_and_plants_no_link(channel: str) -> None:
    look = LOOKS["en"]
    seen = views([hostile()], look)
    bodies: dict[str, Any] = {
        "teams": teams.message(seen, look), "slack": slack.message(seen, look), "webhook": webhook.message(seen, look),
        "pagerduty": pagerduty.message(seen[0], "key", look),
    }  # fmt: skip
    body = bodies[channel]
    _drop(body, ("key", "dedup_key"))
    foreign = [s for s in strings(body) if not s.startswith((*OURS, "http://adaptivecards.io/schemas/"))]
    for text in foreign:
        assert "<" not in text.replace("&lt;", "")
        assert "://" not in text
        assert "www.evil" not in text
        assert "evil.com" not in text
        assert "\u202e" not in text
        assert not any(ord(c) < 32 and c != "\n" for c in text)
    urls = [part["url"] for part in _parts(body) if "url" in part]
    assert all(url.startswith(OURS) and "<" not in url for url in urls)


def _drop(value: Any, names: tuple[str, ...]) -> None:
    if isinstance(value, dict):
        for name in names:
            value.pop(name, None)
        for one in value.values():
            _drop(one, names)
    elif isinstance(value, list):
        for one in value:
            _drop(one, names)


def test_a_card_says_what_people_need() -> None:
    text = " ".join(strings(card_of(teams.message(views([notice()], LOOKS["fr"]), LOOKS["fr"]))))
    for word in ("Échec du chargement · client", "ventes@example.fr", "link lost after 30 s", "2026-11-21 08:30 (+01:00)", "PROD",
                 "ods/t0, ods/t1", "4 de plus", "le serveur OpenEdge est-il joignable ? cbm-etl preflight",
                 "https://etl.example/runs/r-1", "https://etl.example/assets/ods/client"):  # fmt: skip
        assert word in text, word
    good = " ".join(strings(card_of(teams.message(views([notice(event=Event.RECOVERED)], LOOKS["en"]), LOOKS["en"]))))
    assert "recovered" in good
    assert "First step" not in good


def test_both_languages_have_every_word() -> None:
    for words in (texts.TITLES, texts.EVENTS, texts.SEVERITIES, texts.LABELS, texts.NUMBERS, texts.SUMMARY, texts.REMEDIES):
        assert set(words["en"]) == set(words["fr"])
    for language in ("en", "fr"):
        assert set(texts.TITLES[language]) == set(Kind)
        assert set(texts.EVENTS[language]) == set(Event)
        for remedy in texts.REMEDIES[language].values():
            assert remedy.format(table="t", subject="s")


def test_slack_keeps_its_limits() -> None:
    for name in ("hostile", "storm", "bare"):
        body = slack.message(views(SHAPES[name], LOOKS["en"]), LOOKS["en"])
        blocks = body["attachments"][0]["blocks"]
        assert len(blocks) <= 50
        assert all(len(b["text"]["text"]) <= (150 if b["type"] == "header" else 3000) for b in blocks if "text" in b)
        assert all(b["text"]["type"] == "plain_text" for b in blocks if "text" in b)


def test_pagerduty_resolves_what_it_triggered() -> None:
    look = LOOKS["en"]
    opened, closed = views([notice(), notice(event=Event.RECOVERED)], look)
    first, second = pagerduty.message(opened, "k", look), pagerduty.message(closed, "k", look)
    assert (first["event_action"], second["event_action"]) == ("trigger", "resolve")
    assert first["dedup_key"] == second["dedup_key"] == "load:client"
    assert first["payload"]["severity"] == "error"
    assert len(json.dumps(pagerduty.message(views([hostile()], look)[0], "k", look)).encode()) < 512 * 1024


def test_a_mail_has_one_subject_line_and_no_markup() -> None:
    route = Route("email", "email", to=("a@example.fr", "b@example.fr"), smtp=SmtpSettings(host="mx", sender="etl@example.fr"))
    look = LOOKS["fr"]
    mail = email.message(route, views([hostile()], look), look)
    assert mail.get_content_type() == "text/plain"
    assert "Bcc" not in mail
    assert len(mail["Subject"]) <= 180
    many = email.message(route, views(storm(300), look), look)
    assert many["Subject"] == "[cbm-etl PROD] 299 alertes, 1 rétablie(s)"
    assert "table_à_très_long_nom_123" in many.get_content()


def test_every_channel_is_registered_and_loads() -> None:
    folder = Path(teams.__file__).parent
    assert sorted(registry.names()) == sorted(path.stem for path in folder.glob("[!_]*.py"))
    for name in registry.names():
        assert isinstance(registry.channel(name).GROUPS, bool)
    with pytest.raises(ConfigurationError, match=r"Unknown alert channel 'fax'. Known: teams, email"):
        registry.channel("fax")


def test_routes_say_what_they_lack() -> None:
    with pytest.raises(ConfigurationError, match=r"route 'x' \(slack\) has no url"):
        routes_of(AlertSettings(routes=(RouteSettings(name="x", channel="slack"),)))
    with pytest.raises(ConfigurationError, match="has no mail server"):
        routes_of(AlertSettings(email_to=("a@b.fr",)))
    with pytest.raises(ConfigurationError, match="Two alert routes are called 'teams'"):
        routes_of(AlertSettings(teams_url=SecretStr("https://x"), routes=(RouteSettings(name="teams", channel="log"),)))
    [route] = routes_of(AlertSettings(pagerduty_key=SecretStr("k")))
    assert route.severities == {Severity.ERROR, Severity.CRITICAL}


def test_a_view_keeps_the_first_line_of_an_error() -> None:
    seen: View = views([notice(facts=Facts(detail="\n  first\nTraceback (most recent call last):\n secret"))], LOOKS["en"])[0]
    assert seen.detail == "first"
