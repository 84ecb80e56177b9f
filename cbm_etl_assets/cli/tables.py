"""`tables list`, `check` and `schema`: what the specs say, offline. The commands that write specs are `cli.tables_write`.

The reading of specs is `metadata`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.spec import TableSpec

app = typer.Typer(no_args_is_help=True, help="Table specs: one YAML a table.")
COLUMNS = ("table", "source", "kind", "group", "priority", "key", "cursor", "partition", "columns", "schedule")


def describe(spec: TableSpec) -> dict[str, Any]:
    """The stable JSON form of one spec in a list."""
    return {
        "table": spec.name, "source": f"{spec.source_schema}.{spec.table}", "kind": spec.kind, "group": spec.group,
        "priority": spec.priority, "primary_key": spec.primary_key, "cursor": spec.cursor.columns if spec.cursor else (),
        "partition": f"{spec.partition.grain.value} from {spec.partition.start}" if spec.partition else None,
        "columns": len(spec.target_columns), "owners": spec.owners, "tags": spec.tags, "depends_on": spec.depends_on,
        "schedule": f"{spec.schedule.cron} {spec.schedule.timezone} {spec.schedule.mode}" if spec.schedule else None,
    }  # fmt: skip


@app.command("list")
def list_tables(context: typer.Context, as_json: Json = False) -> None:
    """List the declared tables.

    JSON: folder, tables[table, source, kind, group, priority, primary_key, cursor, partition, columns, tags, ...]
    """
    from cbm_etl_assets.cli.output import table

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    entries = [describe(spec) for spec in runtime.catalog.values()]
    rows = [
        (e["table"], e["source"], e["kind"], e["group"], e["priority"], ", ".join(e["primary_key"]), ", ".join(e["cursor"]),
         e["partition"] or "", e["columns"], e["schedule"] or "")
        for e in entries
    ]  # fmt: skip
    folder = str(runtime.settings.tables_dir)
    output.result({"folder": folder, "tables": entries}, table(folder, COLUMNS, rows, right=("columns",)))


@app.command()
def check(context: typer.Context, as_json: Json = False) -> None:
    """Validate every spec; nothing is connected.

    JSON: folder, tables, warnings[]
    """
    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    warnings = list(getattr(runtime.catalog, "warnings", ()))
    count, folder = len(runtime.catalog), str(runtime.settings.tables_dir)
    output.result({"folder": folder, "tables": count, "warnings": warnings}, *warnings, f"{count} tables in {folder}, all valid.")
