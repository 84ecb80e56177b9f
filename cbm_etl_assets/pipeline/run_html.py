"""One run of the command line as a self-contained HTML page: what each table did, how long, and what its rules say.

Owns the page. The results come from pipeline.batch, already without secrets.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cbm_etl_assets.pipeline.html import template, write_page
from cbm_etl_assets.pipeline.results import LoadResult, Status

STAGES = ("extract", "transform", "load", "merge")
OTHER = ("superseded", "resurrected", "deduplicated", "filtered")


def render_run(results: Sequence[LoadResult], started_utc: dt.datetime, ended_utc: dt.datetime, command: str) -> str:
    """`command` as the log line names it: run, sweep, backfill, ..."""
    states = Counter(result.status.value for result in results)
    read = sum(r.outcome.read for r in results)
    written = sum(r.outcome.inserted + r.outcome.updated + r.outcome.resurrected for r in results)
    tiles = [("tables", len(results)), *sorted(states.items()), ("rows read", read), ("rows written", written)]
    tiles += [("rows deleted", sum(r.outcome.deleted for r in results)), ("quarantined", sum(r.outcome.quarantined for r in results))]
    good = all(result.status is Status.SUCCESS for result in results)
    return template("run").render(
        results=results, tiles=tiles, overall="success" if good else "failed", started=started_utc, command=command, stages=STAGES,
        others={r.table: [(n, getattr(r.outcome, n)) for n in OTHER if getattr(r.outcome, n)] for r in results},
        seconds=(ended_utc - started_utc).total_seconds(),
    )  # fmt: skip


def write_run(folder: Path, results: Sequence[LoadResult], started_utc: dt.datetime, ended_utc: dt.datetime, command: str) -> Path:
    """`<command>-<UTC stamp>-<run>.html` in that folder: two runs of one second do not overwrite each other."""
    name = f"{command.replace(' ', '-')}-{started_utc:%Y%m%d-%H%M%S}-{(results[0].run_id if results else '')[:8]}.html"
    return write_page(folder / name, render_run(results, started_utc, ended_utc, command))
