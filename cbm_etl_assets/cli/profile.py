"""`profile`: what the columns of a table hold, on the terminal and as one self-contained HTML page. The work is `pipeline.profile`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of

COLUMNS = ("column", "type", "nulls", "distinct", "min", "max", "top values", "remarks")
CELL_CHARS = 40


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= CELL_CHARS else text[: CELL_CHARS - 1] + "…"


def profile(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TABLE")],
    html: Annotated[Path | None, typer.Option(help="Write a self-contained page there.", dir_okay=False)] = None,
    as_json: Json = False,
) -> None:
    """Show what the columns of a table hold.

    Per column: type, nulls, distinct, min/max, top values, constant or empty, over-width values; from the last raw files,
    else from one extraction. JSON: the fields of the profile
    """
    raise typer.Exit(0)


def register(app: typer.Typer) -> None:
    app.command()(profile)
