"""Slack: blocks over an incoming webhook. Foreign text stands in plain_text objects only: no markup, no mention, no link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbm_etl_assets.alerting.events import Severity
from cbm_etl_assets.alerting.http import Answer, Http
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.alerting.view import Look, View, group_title, worst_first

GROUPS = True
MAX_ROWS = 40  # a message takes 50 blocks
_HEADER, _TEXT = 150, 2900  # Slack's limits are 150 and 3,000 characters
_COLOURS = {Severity.INFO: "#0969da", Severity.WARNING: "#bf8700", Severity.ERROR: "#cf222e", Severity.CRITICAL: "#82071e"}
Json = dict[str, Any]


def send(route: Route, views: Sequence[View], look: Look, http: Http) -> Answer:
    return http.post(route.url.get_secret_value() if route.url else "", message(views, look))


def message(views: Sequence[View], look: Look) -> Json:
    ordered = worst_first(views)
    title = views[0].title if len(views) == 1 else group_title(views, look)
    blocks = [{"type": "header", "text": _plain(title, _HEADER)}]
    blocks += _single(views[0], look) if len(views) == 1 else [_section(view.line) for view in ordered[:MAX_ROWS]]
    if len(views) > MAX_ROWS:
        blocks.append(_section(look.label("more", n=len(views) - MAX_ROWS)))
    colour = "#1a7f37" if ordered[0].is_good else _COLOURS[ordered[0].severity]
    return {"text": _escaped(title), "attachments": [{"color": colour, "fallback": _escaped(title), "blocks": blocks}]}


def _single(view: View, look: Look) -> list[Json]:
    lines = [f"{label}: {value}" for label, value in view.facts]
    lines += [f"{look.label('downstream')}: {view.downstream}"] if view.downstream else []
    lines += [f"{look.label('remedy')}: {view.remedy}"] if view.remedy else []
    blocks = [_section(text) for text in (view.detail, "\n".join(lines)) if text]
    if view.links:
        buttons = [{"type": "button", "text": _plain(label, 75), "url": url} for label, url in view.links]
        blocks.append({"type": "actions", "elements": buttons})
    return blocks


def _section(text: str) -> Json:
    return {"type": "section", "text": _plain(text, _TEXT)}


def _plain(text: str, limit: int) -> Json:
    return {"type": "plain_text", "text": text[:limit], "emoji": False}


def _escaped(text: str) -> str:
    """The notification's text is markup, whatever we say: the three characters Slack asks to escape."""
    return text[:_TEXT].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
