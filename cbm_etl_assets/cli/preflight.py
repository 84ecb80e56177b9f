"""`preflight`: everything that can be wrong before a load, with the remedy. The checks are `pipeline.preflight`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of

COLUMNS = ("check", "status", "detail", "remedy")
# A machine that is not ready is a matter of configuration, whatever the check.
NOT_READY = 2


def preflight(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Tables to check; none = all.")] = None,
    as_json: Json = False,
) -> None:
    """Check what a load needs, with the remedies.

    Driver, login, dialect, catalogue, keys, cursors, clock, widths, disk, databases. Exit code 2 when a check fails.

    JSON: command, ok, exit_code, checks[name, status, detail, remedy]
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.pipeline.preflight import preflight as check

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    specs = [runtime.table(name) for name in names] if names else list(runtime.catalog.values())
    checks = check(runtime.platform, specs)
    entries = [{"name": c.name, "status": str(c.status), "detail": c.detail, "remedy": c.remedy} for c in checks]
    code = NOT_READY if any(e["status"] == "fail" for e in entries) else 0
    shown = table("", COLUMNS, [tuple(e.values()) for e in entries])
    counted = Counter(e["status"] for e in entries)
    tail = f"{len(entries)} checks: " + ", ".join(f"{count} {status}" for status, count in counted.items()) + "."
    output.result({"command": "preflight", "ok": code == 0, "exit_code": code, "checks": entries}, shown, tail)
    raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    app.command()(preflight)
