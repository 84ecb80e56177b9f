"""`quality suggest`: rules proposed from the data, tried on kept raw files, written as YAML to review. The work is `pipeline.suggest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of

app = typer.Typer(no_args_is_help=True, help="Quality rules: proposals from the data.")
COLUMNS = ("rule", "why", "loads tried", "would have fired")


@app.callback()
def _quality() -> None:
    """Keeps `suggest` a command of its own: a group with one command would swallow its name."""


@app.command()
def suggest(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TABLE")],
    out: Annotated[Path | None, typer.Option(help="Write the YAML there; default CBM_HOME/reports.", dir_okay=False)] = None,
    as_json: Json = False,
) -> None:
    """Propose rules for a table from what ODS holds.

    Keys, filled columns, ranges, patterns, code lists, foreign keys; each tried on the raw files that are kept. Nothing is
    declared: the YAML is for review.
    JSON: command, table, rows, loads, days, file, rules[line, why, tried, fired]
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.metadata.writer import line_to_yaml
    from cbm_etl_assets.pipeline.suggest import suggest as propose

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    spec = runtime.table(name)
    found = propose(runtime.platform, spec)
    path = out or runtime.settings.home / "reports" / f"quality-{spec.name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.yaml(), encoding="utf-8")
    rows = [(line_to_yaml(s.proposal.line), s.proposal.why, s.tried or "", s.fired if s.tried else "") for s in found.found]
    document = {
        "command": "quality suggest", "table": found.table, "rows": found.rows, "loads": found.loads, "days": found.days,
        "file": str(path),
        "rules": [{"line": s.proposal.line, "why": s.proposal.why, "tried": s.tried, "fired": s.fired} for s in found.found],
    }  # fmt: skip
    damaged = f" {found.damaged} raw loads are damaged and were left out." if found.damaged else ""
    told = f"{len(found.found)} rules proposed from {found.rows} rows, tried on {found.loads} raw loads of {found.days} days.{damaged}"
    output.result(document, table(spec.name, COLUMNS, rows, right=COLUMNS[2:]), told, f"{path} written: review it.")
