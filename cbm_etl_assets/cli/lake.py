"""`lake list` and `lake clean`: the raw Parquet files and their retention. The lake itself is `lake`."""

from __future__ import annotations

from typing import Annotated

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of

app = typer.Typer(no_args_is_help=True, help="Raw Parquet files: list them, remove old ones.")


@app.callback()
def _root() -> None:
    pass
