"""A table profile as one self-contained HTML page: no network, light and dark, every value escaped.

Owns the page. The figures come from pipeline.profile.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template

    from cbm_etl_assets.pipeline.profile import TableProfile

_TEMPLATES = Path(__file__).parent / "templates"


def render_html(profile: TableProfile) -> str:
    columns = profile.columns
    tiles = (
        ("rows", profile.rows), ("columns", len(columns)), ("empty", sum(c.is_empty for c in columns)),
        ("constant", sum(c.is_constant for c in columns)), ("with NULLs", sum(0 < c.nulls < c.rows for c in columns)),
        ("over-wide", sum(c.over_width > 0 for c in columns)),
    )  # fmt: skip
    return _template().render(profile=profile, tiles=tiles)


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = lambda value: f"{value:,}".replace(",", "\u202f")
    environment.filters["percent"] = lambda part, whole: f"{100 * part / whole:.1f}".removesuffix(".0") if whole else "0"
    return environment.get_template("profile.html.j2")
