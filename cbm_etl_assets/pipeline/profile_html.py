"""A table profile as one self-contained HTML page: no network, light and dark, every value escaped.

Owns the page. The figures come from pipeline.profile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbm_etl_assets.pipeline.html import template

if TYPE_CHECKING:
    from cbm_etl_assets.pipeline.profile import TableProfile


def render_html(profile: TableProfile) -> str:
    columns = profile.columns
    tiles = (
        ("rows", profile.rows), ("columns", len(columns)), ("empty", sum(c.is_empty for c in columns)),
        ("constant", sum(c.is_constant for c in columns)), ("with NULLs", sum(0 < c.nulls < c.rows for c in columns)),
        ("over-wide", sum(c.over_width > 0 for c in columns)),
    )  # fmt: skip
    return template("profile").render(profile=profile, tiles=tiles)
