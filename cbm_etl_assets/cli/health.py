"""`health`: is the platform well? For a person, and for cron or the Windows Task Scheduler with nothing else running."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import Runtime, runtime_of

if TYPE_CHECKING:
    from cbm_etl_assets.pipeline.health import Health

COLUMNS = ("check", "status", "detail", "remedy")


def health(
    context: typer.Context,
    html: Annotated[Path | None, typer.Option("--html", dir_okay=False, help="Write the report as one HTML file too.")] = None,
    tell: Annotated[bool, typer.Option("--alert", help="Send what fails through the alert channels, once, and its recovery.")] = False,
    as_json: Json = False,
) -> None:
    """Check that the platform is well; exit code 1 when something is wrong.

    Daemon, last loads, freshness, objectives, failures, quarantine, quality, certificates, breakers, alerts, disk.

    JSON: command, ok, exit_code, at, checks[name, status, detail, remedy]
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.orchestration.heartbeat import read_heartbeat
    from cbm_etl_assets.pipeline.health import examine

    runtime = runtime_of(context)
    output, settings = runtime.output(machine=as_json), runtime.settings
    found = examine(runtime.platform.control, runtime.catalog, settings, runtime.now(), lambda: read_heartbeat(settings))
    entries = [{"name": c.name, "status": str(c.status), "detail": c.detail, "remedy": c.remedy} for c in found.checks]
    if html:
        _write(html, found, settings.env)
    if tell and (note := _tell(runtime, found)):
        output.note(note)
    code = 0 if found.is_well else 1
    counted = Counter(e["status"] for e in entries)
    tail = f"{len(entries)} checks: " + ", ".join(f"{count} {status}" for status, count in counted.items()) + "."
    document = {"command": "health", "ok": found.is_well, "exit_code": code, "at": found.at, "checks": entries}
    output.result(document, table("", COLUMNS, [tuple(e.values()) for e in entries]), tail)
    raise typer.Exit(code)


def _write(path: Path, found: Health, environment: str) -> None:
    from cbm_etl_assets.pipeline.health_html import render_html

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_html(found, environment), encoding="utf-8")


def _tell(runtime: Runtime, found: Health) -> str:
    """What to say of the telling; empty when all went out. The dead man's switch: no daemon is needed to be heard."""
    from cbm_etl_assets.pipeline.health_alert import tell

    return tell(runtime.platform.control, runtime.catalog, runtime.settings, runtime.now, found)


def register(app: typer.Typer) -> None:
    app.command()(health)
