"""`warehouse copy`: from one kind of warehouse to another, so that a pilot goes into production without a reload.

Owns the choice of the two sides and the form of the answer. The work is `pipeline.move`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Choice, Json, choose
from cbm_etl_assets.cli.runtime import Runtime, runtime_of, with_twin_warehouse
from cbm_etl_assets.errors import CbmError, ConfigurationError

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.pipeline.move import House, Moved
    from cbm_etl_assets.settings import Settings
    from cbm_etl_assets.warehouse.port import Warehouse

app = typer.Typer(no_args_is_help=True, help="The warehouse itself: move house.")
COLUMNS = ("table", "status", "rows", "history", "columns", "seq", "watermark", "seconds")
NUMBERS = ("rows", "history", "columns", "seq", "seconds")


@dataclass(frozen=True)
class Answer:
    """One table's: what was moved, or the error in its place."""

    table: str
    moved: Moved | None = None
    error: CbmError | None = None

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error else 0

    def document(self, secrets: Sequence[str]) -> dict[str, Any]:
        """The stable JSON form."""
        from cbm_etl_assets.reliability.redact import redact

        if self.moved is None:
            error = {"class": type(self.error).__name__, "message": redact(str(self.error), secrets)}
            return {"table": self.table, "status": "failed", "error": error, "exit_code": self.exit_code}
        m = self.moved
        return {
            "table": self.table, "status": m.status.value, "rows": m.rows, "columns_compared": m.columns, "seq": m.seq,
            "watermark": m.watermark, "seconds": round(m.seconds, 3), "error": None, "exit_code": 0,
        }  # fmt: skip

    def row(self) -> tuple[object, ...]:
        from cbm_etl_assets.cli.output import number

        m = self.moved
        if m is None:
            return (self.table, "failed", *("" for _ in COLUMNS[2:]))
        counts = (number(m.rows.get("current")), number(m.rows.get("history")), number(m.columns), number(m.seq))
        return (self.table, m.status.value, *counts, str(m.watermark or ""), number(m.seconds, 1))


@app.command()
def copy(  # noqa: PLR0913
    context: typer.Context,
    old: Annotated[str, typer.Option("--from", metavar="KIND", help="duckdb, postgresql or sqlserver.")],
    new: Annotated[str, typer.Option("--to", metavar="KIND", help="duckdb, postgresql or sqlserver.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Tables to copy.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All tables.")] = False,
    old_string: Annotated[str, typer.Option("--from-connection-string-env", metavar="NAME", help="Variable with its connection.")] = "",
    new_string: Annotated[str, typer.Option("--to-connection-string-env", metavar="NAME", help="Variable with its connection.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Set a target back that is ahead.")] = False,
    as_json: Json = False,
) -> None:
    """Copy tables to another kind of warehouse, as they stand.

    ODS, history and the state move with every technical column unchanged, so the next incremental goes on where the old warehouse
    stood. Each table is compared in both, column by column, before it is called copied; equal ones are left alone, so an ended copy
    goes on where it was. The side of CBM_WAREHOUSE__KIND uses the settings; name a variable for the other's connection string.
    JSON: command, from, to, ok, exit_code, tables[table, status, rows, columns_compared, seq, watermark, seconds, error]
    """
    from cbm_etl_assets.cli.output import table

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    specs = choose(runtime.catalog, Choice(tuple(names or ()), everything))
    house = _house(runtime, (old, old_string), (new, new_string), set_back=replace)
    answers = [_answer(house, spec) for spec in specs]
    codes = {one.exit_code for one in answers}
    code = next((c for c in (1, 2, 3) if c in codes), 0)
    documents = [one.document(runtime.secrets) for one in answers]
    summary = {"command": "warehouse copy", "from": old, "to": new, "ok": code == 0, "exit_code": code, "tables": documents}
    errors = [f"{d['table']}: {d['error']['message']}" for d in documents if d["error"]]
    copied = any(one.moved and one.moved.status == "copied" for one in answers)
    closing = (
        []
        if code or not copied
        else [f"Next: CBM_WAREHOUSE__KIND={new} and its connection string in the settings, then cbm-etl run --all."]
    )
    output.result(summary, table(f"{old} -> {new}", COLUMNS, [one.row() for one in answers], right=NUMBERS), *errors, *closing)
    raise typer.Exit(code)


def _answer(house: House, spec: TableSpec) -> Answer:
    """One table's failure never stops the others."""
    from cbm_etl_assets.pipeline.move import move_table

    try:
        return Answer(spec.name, move_table(house, spec))
    except CbmError as error:
        return Answer(spec.name, error=error)


def _house(runtime: Runtime, old: tuple[str, str], new: tuple[str, str], *, set_back: bool) -> House:
    from cbm_etl_assets.pipeline.move import House

    if old[0] == new[0]:
        raise ConfigurationError(
            f"--from and --to are both '{new[0]}'.",
            remedy="between two of a kind its own tools copy faster: the DuckDB file itself, pg_dump, BACKUP DATABASE",
        )
    target = _settings(runtime, *new)
    return House(
        target, runtime.platform.control, _open(runtime, _settings(runtime, *old), must_exist=True), _open(runtime, target), set_back
    )


def _settings(runtime: Runtime, kind: str, variable: str) -> Settings:
    """The settings with a warehouse of that kind. Raises: ConfigurationError, SettingsError."""
    from cbm_etl_assets.settings import secret_from
    from cbm_etl_assets.twin import server

    settings = runtime.settings
    own = settings.warehouse.connection_string if settings.warehouse.kind == kind else None
    if variable:
        own = secret_from(variable)
        runtime.extra_secrets = (*runtime.extra_secrets, own.get_secret_value())
    made = settings.model_copy(update={"warehouse": settings.warehouse.model_copy(update={"kind": kind, "connection_string": own})})
    if settings.env == "DEV" and own is None and (handle := server.status(settings.home)):
        return with_twin_warehouse(made, handle)
    return made


def _open(runtime: Runtime, settings: Settings, *, must_exist: bool = False) -> Warehouse:
    from cbm_etl_assets.warehouse import registry

    if must_exist and settings.warehouse.kind == "duckdb" and not settings.warehouse_path.exists():
        raise ConfigurationError(
            f"There is no DuckDB warehouse at {settings.warehouse_path}.", remedy="CBM_HOME or CBM_WAREHOUSE__PATH says where it is"
        )
    warehouse = registry.create(settings)
    runtime.closers.append(warehouse.close)
    return warehouse
