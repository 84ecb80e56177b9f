"""A validation as one self-contained HTML page: no network, light and dark, every value escaped.

Owns the page. The results come from pipeline.validation_run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cbm_etl_assets.quality.report import QualityReport, Verdict, worst

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = Path(__file__).parent / "templates"


def render_validation(reports: Sequence[QualityReport], at_utc: dt.datetime, mode: str) -> str:
    tiles = [("tables", len(reports)), ("rules", sum(len(r.results) for r in reports))]
    tiles += [(verdict.value.lower(), sum(r.count(verdict) for r in reports)) for verdict in Verdict]
    overall = worst(report.verdict for report in reports)
    return _template().render(reports=reports, tiles=tiles, overall=overall, at=at_utc, mode=mode)


def write_validation(folder: Path, reports: Sequence[QualityReport], at_utc: dt.datetime, mode: str) -> Path:
    """`validation-<UTC stamp>.html` in that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"validation-{at_utc:%Y%m%d-%H%M%S}.html"
    path.write_text(render_validation(reports, at_utc, mode), encoding="utf-8")
    return path


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = lambda value: f"{value:,}".replace(",", "\u202f")
    return environment.get_template("validation.html.j2")
