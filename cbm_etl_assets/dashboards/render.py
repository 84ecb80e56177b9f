"""From content to HTML: the template environment, its filters, the view around a page. Every value is escaped by the engine."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from cbm_etl_assets.alerting.texts import TITLES
from cbm_etl_assets.dashboards.figures import PERIODS, Filters
from cbm_etl_assets.dashboards.pages import PAGES, Content
from cbm_etl_assets.dashboards.words import phrases

FOLDER = Path(__file__).parent
THIN = "\u202f"
_TONES = {
    "OK": "good", "WARN": "warn", "BREACH": "bad", "info": "", "warning": "warn", "error": "bad", "critical": "bad", "page": "bad",
    "ticket": "warn",
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """What surrounds a page. `environments`: names to choose from; `stale`: the control database did not answer just now."""

    now: dt.datetime
    filters: Filters
    language: str = "en"
    environment: str = ""
    environments: Sequence[str] = ()
    tables: Sequence[str] = ()
    dagster_url: str = ""
    stale: bool = False
    base: str = ""
    pages: Sequence[str] = PAGES
    periods: Sequence[int] = PERIODS

    def link(self, page: str, other_language: bool = False) -> str:
        language = ("fr" if self.language == "en" else "en") if other_language else self.language
        asked = {"table": self.filters.table, "days": self.filters.days, "env": self.environment, "lang": language}
        return f"{self.base}{page}?{urlencode({k: v for k, v in asked.items() if v})}"


def page_html(content: Content, view: View) -> str:
    return _environment().get_template("layout.html.j2").render(content=content, view=view, w=phrases(view.language))


def report_html(contents: Sequence[Content], view: View) -> str:
    """All pages in one file without a network: styles, library and script inside."""
    return _environment().get_template("report.html.j2").render(
        contents=contents, view=view, w=phrases(view.language), style=asset("style.css"), library=asset("echarts.min.js"),
        script=asset("dashboard.js"),
    )  # fmt: skip


def failure_html(language: str, title: str, message: str) -> str:
    words = phrases(language)
    return _environment().get_template("failure.html.j2").render(language=language, title=words[title], message=message)


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    return (FOLDER / "static" / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update({
        "stamp": stamp, "seconds": seconds, "number": number, "bytes": size, "decimal": decimal, "quantity": quantity, "age": age,
        "tone": lambda word: _TONES.get(str(word), ""), "words": _in_words, "summary": summary,
        "alert_title": _alert_title, "json_script": _json_script,
    })  # fmt: skip
    return environment


def stamp(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, dt.datetime) else "–"


def seconds(value: float | None) -> str:
    """'0.8 s', '42 s', '3 min 05 s', '2 h 10', '4 d'."""
    if value is None:
        return "–"
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60):02d} s"
    hours = int(value // 3600)
    return f"{hours} h {int(value % 3600 // 60):02d}" if hours < 48 else f"{hours // 24} d"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}".replace(",", THIN)


def decimal(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", THIN)


def size(value: float | None) -> str:
    if value is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def quantity(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    text = f"{value:,.2f}".rstrip("0").rstrip(".").replace(",", THIN)
    return f"{text} {unit}".strip()


def age(hours: float | None, never: str) -> str:
    return never if hours is None else seconds(3600 * hours)


def summary(facts: Mapping[str, Any]) -> str:
    """What an alert knows: its detail, else its numbers."""
    numbers = facts.get("numbers")
    counted = ", ".join(f"{name} {value:g}" for name, value in numbers.items()) if isinstance(numbers, Mapping) else ""
    return str(facts.get("detail") or counted)


@pass_context
def _alert_title(context: Context, kind: str) -> str:
    """As the alert's own messages call it."""
    return TITLES[context["view"].language].get(kind, kind.replace("_", " "))


@pass_context
def _in_words(context: Context, name: object) -> str:
    known: Mapping[str, str] = context["w"]
    return known.get(str(name), str(name).removeprefix("slo_").replace("_", " "))


def _json_script(value: object) -> Markup:
    """JSON that cannot end its script element."""
    text = json.dumps(value, ensure_ascii=False, default=str).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(text)  # noqa: S704  the three characters that could leave the element are escaped above
