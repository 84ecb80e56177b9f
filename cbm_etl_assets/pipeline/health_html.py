"""The health report as one self-contained HTML page: no network, no script, light and dark, every value escaped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cbm_etl_assets.pipeline.health import Health

_TEMPLATES = Path(__file__).parent / "templates"


def render_html(health: Health, environment: str) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    shop = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    counts = [(status, sum(c.status == status for c in health.checks)) for status in ("ok", "warn", "fail", "skip")]
    order = {"fail": 0, "warn": 1, "ok": 2, "skip": 3}
    checks = sorted(health.checks, key=lambda c: order[c.status])
    return shop.get_template("health.html.j2").render(health=health, checks=checks, counts=counts, environment=environment)
