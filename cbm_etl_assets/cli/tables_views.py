"""`tables views`: a view a table under business names, and labels beside the columns, for Power BI and people who write queries.

Owns the choice of tables and the form of the answer. The names are `metadata.business`, the views `warehouse.presenting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cbm_etl_assets.cli.load import Choice, Json, choose
from cbm_etl_assets.cli.runtime import Runtime, runtime_of
from cbm_etl_assets.errors import ConfigurationError, WarehouseError

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.warehouse.presenting import Presents, View


def views(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Tables to show.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All tables.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Make the views and write the labels, in the warehouse.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Drop the views.")] = False,
    as_json: Json = False,
) -> None:
    """Show tables under business names: one view a table, for Power BI.

    The views stand in CBM_WAREHOUSE__VIEWS_SCHEMA. Columns are named by the labels of the spec; deleted rows and technical columns
    are left out; `history: true` gives a second view of every version with its validity. Without --apply the SQL is printed, for a
    DBA to run.
    JSON: views[table, name, columns[column, shown]], sql[], applied, dropped, described
    """
    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    if apply and drop:
        raise ConfigurationError("--apply and --drop: choose one.")
    specs = choose(runtime.catalog, Choice(tuple(names or ()), everything))
    warehouse = _presenter(runtime)
    shown = _shown(runtime, specs)
    described = 0
    if apply:
        warehouse.present(shown)
        described = sum(warehouse.describe(spec) for spec in specs)
    elif drop:
        warehouse.withdraw(shown)
    sql = [] if drop else warehouse.script(shown)
    listed = [{"table": v.table, "name": f"{v.schema}.{v.name}", "columns": [list(pair) for pair in v.columns]} for v in shown]
    document = {"views": listed, "sql": sql, "applied": apply, "dropped": drop, "described": described}
    if apply or drop:
        verb = "dropped" if drop else "made"
        lines = [f"{entry['name']} {verb}" for entry in listed]
        output.result(document, *lines, *([f"{described} descriptions written"] if apply else []))
    else:
        go = "GO\n" if runtime.platform.warehouse.name == "sqlserver" else ""
        output.result(document, *(f"{text.rstrip()}\n{go}" for text in sql))


def _presenter(runtime: Runtime) -> Presents:
    from cbm_etl_assets.warehouse.presenting import Presents

    warehouse = runtime.platform.warehouse
    if not isinstance(warehouse, Presents):
        raise ConfigurationError(f"A warehouse of kind '{warehouse.name}' has no views of ours.")
    return warehouse


def _shown(runtime: Runtime, specs: list[TableSpec]) -> list[View]:
    """Raises: WarehouseError for a table that was never loaded: a view of it cannot be made, and its script would not run."""
    from cbm_etl_assets.warehouse.presenting import views_of

    warehouse, schema = runtime.platform.warehouse, runtime.settings.warehouse.views_schema
    found: list[View] = []
    for spec in specs:
        for view in views_of(spec, schema, warehouse.capabilities.max_identifier_chars):
            held = set(warehouse.columns(view.table))
            if not held:
                raise WarehouseError(f"There is no table ods.{view.table} yet.", remedy=f"load it first: cbm-etl run {spec.name}")
            if missing := [column for column, _ in view.columns if column not in held]:
                raise WarehouseError(
                    f"ods.{view.table} has no column '{missing[0]}' yet.", remedy=f"the next load brings it: cbm-etl run {spec.name}"
                )
            found.append(view)
    return found


def register(app: typer.Typer) -> None:
    app.command()(views)
