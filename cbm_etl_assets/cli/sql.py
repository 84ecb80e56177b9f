"""`sql`: one read-only question to the warehouse, or to the control database.

Owns the form of the answer. That nothing is written is the port's promise (`Warehouse.query`, `Control.query`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import Runtime, runtime_of
from cbm_etl_assets.errors import ConfigurationError

READERS = ("select", "with", "values", "explain")


class Where(StrEnum):
    WAREHOUSE = "warehouse"
    CONTROL = "control"


def _ask_control(runtime: Runtime, statement: str) -> tuple[list[str], list[list[object]]]:
    words = statement.split()
    if not words or words[0].lower() not in READERS or ";" in statement.rstrip().rstrip(";"):
        raise ConfigurationError(f"Not a question: '{statement[:60]}'. Known: one statement beginning with {', '.join(READERS)}.")
    control = runtime.platform.control
    control.upgrade()
    rows = control.query(statement.rstrip().rstrip(";"))
    return (list(rows[0]), [list(r.values()) for r in rows]) if rows else ([], [])


def _ask_warehouse(runtime: Runtime, statement: str) -> tuple[list[str], list[list[object]]]:
    answer = runtime.platform.warehouse.query(statement)
    return list(answer.columns), [list(row) for row in answer.rows]


def sql(
    context: typer.Context,
    statement: Annotated[str, typer.Argument(metavar="SQL", help='For instance "SELECT * FROM ods.client".')],
    where: Annotated[Where, typer.Option("--on", help="control: etl.* and config.*")] = Where.WAREHOUSE,
    limit: Annotated[int, typer.Option(min=0, help="Rows shown on a terminal; 0 = all. --json gives all.")] = 200,
    as_json: Json = False,
) -> None:
    """Ask the warehouse, read-only.

    JSON: command, columns[...], rows[[...]], row_count
    """
    from cbm_etl_assets.cli.output import table

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    ask = _ask_control if where is Where.CONTROL else _ask_warehouse
    columns, rows = ask(runtime, statement)
    shown = rows[:limit] if limit else rows
    tail = f"{len(rows)} rows" + (f", {len(shown)} shown (--limit 0 shows all)" if len(shown) < len(rows) else "")
    output.result({"command": "sql", "columns": columns, "rows": rows, "row_count": len(rows)}, table("", columns, shown), tail)


def register(app: typer.Typer) -> None:
    app.command()(sql)
