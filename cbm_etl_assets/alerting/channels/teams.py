"""Microsoft Teams: an Adaptive Card 1.4 over a Power Automate Workflows webhook.

Foreign text stands in TextRuns only, which know no markdown; the only link is ours (Action.OpenUrl).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cbm_etl_assets.alerting.events import Severity
from cbm_etl_assets.alerting.http import Answer, Http
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.alerting.view import Look, View, group_title, worst_first

GROUPS = True
VERSION = "1.4"  # 1.5 is refused by some flows; Table needs 1.5, hence the ColumnSets
MAX_BYTES = 18 * 1024  # not 28: Teams re-encodes and rejected 24,453 bytes as 28,897
MAX_ROWS = 40
FEW, LONG, SHORT = 8, 200, 60  # characters of what happened, in a group of few and of many
_STYLES = {Severity.INFO: "accent", Severity.WARNING: "warning", Severity.ERROR: "attention", Severity.CRITICAL: "attention"}
Card = dict[str, Any]


def send(route: Route, views: Sequence[View], look: Look, http: Http) -> Answer:
    return http.post(route.url.get_secret_value() if route.url else "", message(views, look))


def message(views: Sequence[View], look: Look) -> Card:
    """The POST body, under MAX_BYTES whatever it is about."""
    if len(views) == 1:
        return _envelope(_single(views[0], look))
    rows = min(len(views), MAX_ROWS)
    while True:
        body = _envelope(_group(worst_first(views), rows, look))
        if len(json.dumps(body)) <= MAX_BYTES or rows <= 1:
            return body
        rows = rows * 3 // 4


def _envelope(card: Card) -> Card:
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _card(body: list[Card], fallback: str, links: Sequence[tuple[str, str]]) -> Card:
    actions = [_open(label, url) for label, url in links]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": VERSION,
        "fallbackText": fallback, "msteams": {"width": "Full"}, "body": body, **({"actions": actions} if actions else {}),
    }  # fmt: skip


def _single(view: View, look: Look) -> Card:
    body = [_banner(view.title, _style(view))]
    if view.detail:
        body.append(_text(view.detail))
    body += [_fact(label, value) for label, value in view.facts]
    if view.downstream:
        body.append(_fact(look.label("downstream"), view.downstream))
    if view.remedy:
        body.append(_fact(look.label("remedy"), view.remedy, fontType="Monospace"))
    return _card(body, view.line, view.links)


def _group(views: Sequence[View], rows: int, look: Look) -> Card:
    title = group_title(views, look)
    body = [_banner(title, _style(views[0]))]
    length = SHORT if rows > FEW else LONG
    body += [_row(view, length) for view in views[:rows]]
    if len(views) > rows:
        body.append(_text(look.label("more", n=len(views) - rows), isSubtle=True))
    return _card(body, title, [(look.label("open"), look.dagster_url)] if look.dagster_url else [])


def _style(view: View) -> str:
    return "good" if view.is_good else _STYLES[view.severity]


def _banner(text: str, style: str) -> Card:
    return {
        "type": "Container", "style": style, "bleed": True,
        "items": [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, "size": "Large", "weight": "Bolder"}]}],
    }  # fmt: skip


def _text(text: str, **style: object) -> Card:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def _fact(label: str, value: str, **style: object) -> Card:
    return {
        "type": "ColumnSet", "spacing": "Small",
        "columns": [
            {"type": "Column", "width": "130px", "items": [_text(label, weight="Bolder")]},
            {"type": "Column", "width": "stretch", "items": [_text(value or "-", **style)]},
        ],
    }  # fmt: skip


def _row(view: View, length: int) -> Card:
    colour = {"good": "Good", "warning": "Warning", "attention": "Attention", "accent": "Accent"}[_style(view)]
    short = view.detail if len(view.detail) <= length else view.detail[: length - 1] + "…"
    runs = [{"type": "TextRun", "text": view.title, "weight": "Bolder", "color": colour}]
    runs += [{"type": "TextRun", "text": f" {short}"}] if short else []
    return {"type": "RichTextBlock", "spacing": "Small", "inlines": runs}


def _open(label: str, url: str) -> Card:
    return {"type": "Action.OpenUrl", "title": label, "url": url}
