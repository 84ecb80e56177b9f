"""Any HTTP end point: JSON with the alerts as they are, for a ticket system or a script. Its format is versioned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cbm_etl_assets.alerting.http import Answer, Http
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.alerting.view import Look, View, group_title, worst_first

GROUPS = True
FORMAT = 1
MAX_BYTES = 256 * 1024
Json = dict[str, Any]


def send(route: Route, views: Sequence[View], look: Look, http: Http) -> Answer:
    headers = {"Authorization": f"Bearer {route.key.get_secret_value()}"} if route.key else {}
    return http.post(route.url.get_secret_value() if route.url else "", message(views, look), headers)


def message(views: Sequence[View], look: Look) -> Json:
    ordered = worst_first(views)
    title = views[0].title if len(views) == 1 else group_title(views, look)
    alerts = [_alert(view) for view in ordered]
    while len(alerts) > 1 and len(json.dumps(alerts)) > MAX_BYTES:
        alerts = alerts[: len(alerts) * 3 // 4]
    return {"format": FORMAT, "title": title, "environment": look.environment, "total": len(views), "alerts": alerts}


def _alert(view: View) -> Json:
    return {
        "key": view.key, "event": view.event, "kind": view.kind, "severity": view.severity, "table": view.table, "title": view.title,
        "detail": view.detail, "facts": dict(view.facts), "downstream": view.downstream, "remedy": view.remedy, "url": view.url,
        "at": f"{view.at.isoformat(timespec='seconds')}Z",
    }  # fmt: skip
