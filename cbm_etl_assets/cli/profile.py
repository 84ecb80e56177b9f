"""`profile`: what the columns of a table hold, on the terminal and as one self-contained HTML page. The work is `pipeline.profile`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of

if TYPE_CHECKING:
    from cbm_etl_assets.pipeline.profile import ColumnProfile

COLUMNS = ("column", "type", "nulls", "distinct", "min", "max", "top values", "remarks")
CELL_CHARS = 40


def _short(value: object) -> str:
    if value == "":
        return "''"  # an empty text is a value; nothing shown means there is none
    text = "" if value is None else str(value)
    return text if len(text) <= CELL_CHARS else text[: CELL_CHARS - 1] + "…"


def _row(column: ColumnProfile) -> tuple[object, ...]:
    from cbm_etl_assets.cli.output import number

    top = ", ".join(f"{_short(value)} ({count})" for value, count in column.top[:3])
    extremes = _short(column.minimum), _short(column.maximum)
    return column.name, column.type, number(column.nulls), number(column.distinct), *extremes, top, ", ".join(column.remarks)


def profile(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TABLE")],
    html: Annotated[Path | None, typer.Option(help="Write a self-contained page there.", dir_okay=False)] = None,
    as_json: Json = False,
) -> None:
    """Show what the columns of a table hold.

    Per column: type, nulls, distinct, min/max, top values, constant or empty, over-width values; from the last raw files,
    else from one extraction.
    JSON: command, table, rows, origin, read_at, columns[name, type, nulls, distinct, minimum, maximum, top, over_width, remarks]
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.pipeline.profile import profile as measure

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    found = measure(runtime.platform, runtime.table(name))
    if html is not None:
        from cbm_etl_assets.pipeline.profile_html import render_html

        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(render_html(found), encoding="utf-8")
        output.note(f"{html} written")
    title = f"{found.table}: {found.rows} rows, {found.origin}, read at {found.read_at:%Y-%m-%d %H:%M:%S} (source time)"
    document = {"command": "profile", **dataclasses.asdict(found)}
    output.result(document, table(title, COLUMNS, [_row(c) for c in found.columns], right=("nulls", "distinct")))


def register(app: typer.Typer) -> None:
    app.command()(profile)
