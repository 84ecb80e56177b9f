"""The pages as one self-contained HTML file, written aside and renamed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cbm_etl_assets.dashboards.figures import PERIODS, Filters
from cbm_etl_assets.dashboards.journal import Journal
from cbm_etl_assets.dashboards.pages import PAGES, build
from cbm_etl_assets.dashboards.render import View, report_html
from cbm_etl_assets.dashboards.words import phrases
from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.reliability.files import describe_os_error


@dataclass(frozen=True)
class ReportOptions:
    """`table` '' = all; `days` is one of PERIODS; `language` is en|fr."""

    table: str = ""
    days: int = 7
    language: str = "en"
    environment: str = ""
    dagster_url: str = ""


def write_report(journal: Journal, target: Path, options: ReportOptions) -> int:
    """Returns bytes written. Raises: ConfigurationError on another period or a folder that cannot be written, ControlError."""
    if options.days not in PERIODS:
        raise ConfigurationError(f"--days {options.days} is no period. Known: {', '.join(map(str, PERIODS))}.")
    snapshot, words = journal.snapshot(), phrases(options.language)
    filters = Filters(options.table, options.days)
    view = View(snapshot.now, filters, options.language, options.environment, dagster_url=options.dagster_url)
    text = report_html([build(page, snapshot, filters, words, journal.errors) for page in PAGES], view)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            written = aside.write_text(text, encoding="utf-8")
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        what, remedy = describe_os_error(error)
        raise ConfigurationError(f"The report {target} cannot be written: {what}", remedy=remedy) from None
    return written
