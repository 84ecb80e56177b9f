"""`db status|upgrade|script`: the control database's schema. Migrations themselves are `control.migrate`."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import Runtime, runtime_of

if TYPE_CHECKING:
    from cbm_etl_assets.control.migrate import SchemaStatus

app = typer.Typer(no_args_is_help=True, help="The control database: version, migration, DDL to read.")


class ScriptDialect(StrEnum):
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"
    SQLSERVER = "sqlserver"


@app.command("status")
def show_status(context: typer.Context, as_json: Json = False) -> None:
    """Show the schema version and what an upgrade would apply. Changes nothing.

    JSON: dialect, schemas[schema, version, newest, pending]
    """
    from cbm_etl_assets.control.migrate import status
    from cbm_etl_assets.control.store import open_database

    runtime = runtime_of(context)
    with closing(open_database(runtime.settings)) as database:
        _tell(runtime, database.dialect, status(database), {}, as_json)


@app.command("upgrade")
def run_upgrade(context: typer.Context, as_json: Json = False) -> None:
    """Create or migrate the schema.

    Tables of an older pipeline are moved to etl_old and config_old with every row; its run log is carried over.
    JSON: dialect, schemas[schema, version, newest, pending], applied
    """
    from cbm_etl_assets.cli.runtime import utc_now
    from cbm_etl_assets.control.migrate import status, upgrade
    from cbm_etl_assets.control.store import open_database

    runtime = runtime_of(context)
    with closing(open_database(runtime.settings)) as database:
        applied = upgrade(database, utc_now)
        _tell(runtime, database.dialect, status(database), {"applied": applied}, as_json)


@app.command("script")
def print_script(
    context: typer.Context,
    dialect: Annotated[ScriptDialect, typer.Option(help="Whose DDL.")] = ScriptDialect.SQLSERVER,
) -> None:
    """Print the DDL of a new control database, for a DBA to read and run.

    SQL Server: with GO between the batches.
    """
    from cbm_etl_assets.control.script import ddl_script

    print(ddl_script(dialect.value))


def _tell(runtime: Runtime, dialect: str, schemas: list[SchemaStatus], more: dict[str, Any], as_json: bool) -> None:
    from cbm_etl_assets.cli.output import table

    output = runtime.output(machine=as_json)
    for name in more.get("applied", ()):
        output.note(f"applied {name}")
    document = [{"schema": s.schema, "version": s.version, "newest": s.newest, "pending": list(s.pending)} for s in schemas]
    rows = [(s.schema, s.version, s.newest, ", ".join(s.pending) or "-") for s in schemas]
    shown = table(f"control database ({dialect})", ("schema", "version", "newest", "pending"), rows, right=("version", "newest"))
    output.result({"dialect": dialect, "schemas": document, **more}, shown)
