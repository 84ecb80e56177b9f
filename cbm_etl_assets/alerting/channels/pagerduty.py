"""PagerDuty Events API v2: one event an alert, the alert's key as dedup_key, so that a recovery resolves what was triggered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbm_etl_assets.alerting.events import Event, Severity
from cbm_etl_assets.alerting.http import Answer, Fate, Http
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.alerting.view import Look, View

GROUPS = False  # an incident is about one thing
URL = "https://events.pagerduty.com/v2/enqueue"
_SEVERITIES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.ERROR: "error", Severity.CRITICAL: "critical"}
Json = dict[str, Any]


def send(route: Route, views: Sequence[View], look: Look, http: Http) -> Answer:
    url = route.url.get_secret_value() if route.url else URL
    answer = Answer(Fate.SENT)
    for view in views:
        answer = http.post(url, message(view, route.key.get_secret_value() if route.key else "", look))
        if answer.fate is not Fate.SENT:
            return answer
    return answer


def message(view: View, key: str, look: Look) -> Json:
    body: Json = {
        "routing_key": key,
        "event_action": "resolve" if view.event is Event.RECOVERED else "trigger",
        "dedup_key": view.key[:255],
    }
    if view.event is not Event.RECOVERED:
        body["payload"] = {
            "summary": view.line[:1024], "source": "cbm_etl_assets", "severity": _SEVERITIES[view.severity],
            "component": view.table or "platform", "class": view.kind,
            "custom_details": {**dict(view.facts), look.label("remedy"): view.remedy, look.label("downstream"): view.downstream},
        }  # fmt: skip
        body["links"] = [{"href": url, "text": label} for label, url in view.links]
    return body
