"""A validation as one self-contained HTML page: no network, light and dark, every value escaped.

Owns the page. The results come from pipeline.validation_run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from cbm_etl_assets.pipeline.html import template, write_page
from cbm_etl_assets.quality.report import QualityReport, Verdict, worst


def render_validation(reports: Sequence[QualityReport], at_utc: dt.datetime, mode: str) -> str:
    tiles = [("tables", len(reports)), ("rules", sum(len(r.results) for r in reports))]
    tiles += [(verdict.value.lower(), sum(r.count(verdict) for r in reports)) for verdict in Verdict]
    overall = worst(report.verdict for report in reports)
    return template("validation").render(reports=reports, tiles=tiles, overall=overall, at=at_utc, mode=mode)


def write_validation(folder: Path, reports: Sequence[QualityReport], at_utc: dt.datetime, mode: str) -> Path:
    """`validation-<UTC stamp>.html` in that folder."""
    return write_page(folder / f"validation-{at_utc:%Y%m%d-%H%M%S}.html", render_validation(reports, at_utc, mode))
