"""`twin`: the OpenEdge-like server. Start it, fill it, change it, make it misbehave, see what it was asked.

Owns the form. The server is `twin.server`, its data `twin.erp` and `twin.load`.
"""

from __future__ import annotations

import datetime as dt
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import Runtime, runtime_of
from cbm_etl_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from cbm_etl_assets.twin.handle import TwinHandle

app = typer.Typer(no_args_is_help=True, help="An OpenEdge-like server with a French ERP, for demos and tests.")
# The server writes the counting statement, so that it also quotes the names.
COUNTING = """
SELECT string_agg(format('SELECT %L, count(*) FROM pub.%I', tablename, tablename), ' UNION ALL ' ORDER BY tablename)
FROM pg_tables WHERE schemaname = 'pub'
"""
Tables = Annotated[list[str] | None, typer.Option("--table", help="Only this table; may be repeated.")]


class Scale(StrEnum):
    DEMO = "demo"
    REAL = "1x"
    TENFOLD = "10x"


class Fault(StrEnum):
    CUT = "cut"
    FIN = "fin"
    STALL = "stall"
    LOCK = "lock"
    REFUSE = "refuse"
    CAP = "cap"
    LATENCY = "latency"


def running(runtime: Runtime) -> TwinHandle:
    from cbm_etl_assets.twin import server

    handle = server.status(runtime.settings.home)
    if handle is None:
        raise ConfigurationError(f"No twin runs in {runtime.settings.home}.", remedy="cbm-etl twin start")
    return handle


def source_now(handle: TwinHandle, now: dt.datetime) -> dt.datetime:
    """The source's wall clock, naive."""
    return now.astimezone(ZoneInfo(handle.zone)).replace(tzinfo=None, microsecond=0)


def _facts(handle: TwinHandle | None) -> dict[str, Any]:
    if handle is None:
        return {"running": False}
    return {"running": True, "port": handle.port, "pg_port": handle.pg_port, "pid": handle.daemon_pid, "home": str(handle.home)}


@app.command()
def start(
    context: typer.Context,
    lock_wait: Annotated[float, typer.Option(min=0, help="Seconds a reader waits for a held record.")] = 5.0,
    as_json: Json = False,
) -> None:
    """Start it, empty the first time.

    Commands read it as their source while CBM_SOURCE__CONNECTION_STRING is unset. JSON: running, port, pg_port, pid, home
    """
    from cbm_etl_assets.twin import server

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    settings = runtime.settings
    handle = server.start(settings.home, zone=settings.source.timezone, lock_wait_seconds=lock_wait)
    text = f"The twin runs on port {handle.port} (plain PostgreSQL: {handle.pg_port}).\n"
    output.result(_facts(handle), text + "Fill it: cbm-etl twin load --erp demo, or cbm-etl twin load DIR of a dumped database.")


@app.command()
def stop(context: typer.Context, as_json: Json = False) -> None:
    """Stop it; its data stays.

    JSON: stopped
    """
    from cbm_etl_assets.twin import server

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    stopped = server.stop(runtime.settings.home)
    output.result({"stopped": stopped}, "Stopped." if stopped else "No twin was running.")


@app.command("status")
def show_status(context: typer.Context, as_json: Json = False) -> None:
    """Say whether it runs, where, and what it holds. Exit code 1 when it does not run.

    JSON: running, port, pg_port, pid, home, tables{name: rows}
    """
    from cbm_etl_assets.twin import server

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    handle = server.status(runtime.settings.home)
    tables = _row_counts(handle) if handle else {}
    text = f"Running on port {handle.port}, proxy pid {handle.daemon_pid}." if handle else "Not running."
    output.result(_facts(handle) | {"tables": tables}, text, *_counts_table(tables))
    raise typer.Exit(0 if handle else 1)


def _row_counts(handle: TwinHandle) -> dict[str, int]:
    with handle.pg() as conn:
        found = conn.execute(COUNTING).fetchone()
        counted = conn.execute(str(found[0]).encode()).fetchall() if found and found[0] else []
    return {str(name): int(rows) for name, rows in counted}


def _counts_table(tables: dict[str, int]) -> list[Any]:
    from cbm_etl_assets.cli.output import number, table

    return [table("", ("table", "rows"), [(n, number(rows)) for n, rows in tables.items()], right=("rows",))] if tables else []


# A command's options are its parameters: typer has no other way to declare them.
@app.command()
def load(  # noqa: PLR0913
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", exists=True, file_okay=False, help="A .df and its .d files.")] = None,
    erp: Annotated[Scale | None, typer.Option(help="Generate the French ERP instead, at this scale.")] = None,
    seed: Annotated[int, typer.Option(help="Of the generator.")] = 1,
    over_width: Annotated[bool, typer.Option(help="Generate a few texts wider than their SQL width.")] = False,
    names: Tables = None,
    as_json: Json = False,
) -> None:
    """Load a dumped OpenEdge database, or generate the ERP (--erp).

    JSON: tables{name: rows}, seconds
    """
    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    if (folder is None) == (erp is None):
        raise ConfigurationError("Say what to load: either the folder of a dump, or --erp demo|1x|10x.")
    handle = running(runtime)
    began = time.perf_counter()
    if folder is not None:
        if names:
            raise ConfigurationError("--table goes with --erp; a dump is loaded whole.")
        tables = _load_dump(handle, folder)
    else:
        from cbm_etl_assets.twin.erp.load import load_erp

        today = source_now(handle, runtime.now()).date()
        with handle.pg(autocommit=False) as conn:
            tables = load_erp(conn, str(erp), seed, today=today, tables=names, over_width=over_width)
    seconds = time.perf_counter() - began
    output.result({"tables": tables, "seconds": round(seconds, 3)}, *_counts_table(tables), f"{sum(tables.values())} rows, {seconds:.1f} s")


def _load_dump(handle: TwinHandle, folder: Path) -> dict[str, int]:
    from cbm_etl_assets.twin.load import load_dump_folder_into_twin

    return dict(load_dump_folder_into_twin(handle, folder))


# As above.
@app.command("mutate")
def change(  # noqa: PLR0913
    context: typer.Context,
    percent: Annotated[float, typer.Option(min=0, max=100, help="Percent of the rows updated.")] = 1.0,
    inserts: Annotated[float, typer.Option(min=0, max=100, help="Percent inserted.")] = 0.1,
    deletes: Annotated[float, typer.Option(min=0, max=100, help="Percent deleted.")] = 0.0,
    late_rows: Annotated[int, typer.Option(min=0, help="Rows stamped the day before.")] = 0,
    dirty: Annotated[int, typer.Option(min=0, help="Rows changed, then rolled back.")] = 0,
    dirty_seconds: Annotated[float, typer.Option(min=0, help="How long dirty rows are seen.")] = 10.0,
    seed: Annotated[int, typer.Option(help="The same seed changes the same rows.")] = 1,
    names: Tables = None,
    as_json: Json = False,
) -> None:
    """Change the ERP's data: updates, inserts, deletes, late and dirty rows.

    JSON: tables{name: {updated, late, dirty, deleted, inserted}}
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.twin.erp.mutate import Mutation, mutate

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    handle = running(runtime)
    what = Mutation(percent, inserts, deletes, late_rows, dirty, seed)
    with handle.pg(autocommit=False) as conn:
        report = mutate(conn, what, now=source_now(handle, runtime.now()), tables=names)
        if dirty:
            output.note(f"dirty rows stay {dirty_seconds:g} s")
            try:
                time.sleep(dirty_seconds)
            finally:
                report.undo(conn)
    counts = {name: changed.counts() for name, changed in report.tables.items()}
    columns = ("table", *next(iter(counts.values()), {}))
    output.result({"tables": counts}, table("", columns, [(n, *c.values()) for n, c in counts.items()], right=columns[1:]))


# As above.
@app.command()
def fault(  # noqa: PLR0913
    context: typer.Context,
    kind: Annotated[Fault | None, typer.Argument(help="What happens to a reader.")] = None,
    name: Annotated[str, typer.Option("--table", help="Only readers of this table.")] = "",
    after_rows: Annotated[int, typer.Option(min=0, help="cut, fin, stall, lock: after so many rows.")] = 0,
    times: Annotated[int | None, typer.Option(min=0, help="How often; 0 = until cleared.")] = None,
    value: Annotated[int, typer.Option(min=0, help="cap: connections allowed.")] = 0,
    milliseconds: Annotated[float, typer.Option(min=0, help="latency: of one round trip.")] = 0,
    array_size: Annotated[int, typer.Option(min=1, help="latency: rows of one round trip.")] = 50,
    clear: Annotated[bool, typer.Option("--clear", help="Forget all faults first.")] = False,
) -> None:
    """Order a fault, or --clear them: cut, fin, stall, lock, refuse, cap, latency."""
    if kind is None and not clear:
        raise ConfigurationError(f"Which fault? Known: {', '.join(Fault)}; or --clear.")
    handle = running(runtime_of(context))
    if clear:
        handle.clear_faults()
    if kind is not None:
        options = {"after_rows": after_rows, "value": value, "milliseconds": milliseconds, "array_size": array_size}
        handle.set_fault(kind.value, name or None, **options, **({} if times is None else {"times": times}))


@app.command()
def statements(
    context: typer.Context,
    last: Annotated[int, typer.Option(min=0, help="Only the last N; 0 = all.")] = 50,
    name: Annotated[str, typer.Option("--table", help="Only statements on this table.")] = "",
    as_json: Json = False,
) -> None:
    """Show the SQL it received, oldest first.

    JSON: statements[at, connection, sql, tables, isolation0, nolock, refused, parameters]
    """
    from cbm_etl_assets.cli.output import table

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    wanted = name.lower()
    found = running(runtime).statements(lambda e: not wanted or wanted in (str(t).lower() for t in e.get("tables", ())))
    shown = found[-last:] if last else found
    rows = [(str(e.get("at", "")), e.get("connection", ""), str(e.get("refused") or ""), e.get("sql", "")) for e in shown]
    output.result({"statements": shown}, table("", ("at", "connection", "refused", "sql"), rows))
