"""`lake list` and `lake clean`: the raw Parquet files and their retention. The lake itself is `lake`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import Runtime, runtime_of

if TYPE_CHECKING:
    from cbm_etl_assets.lake.lake import Lake

app = typer.Typer(no_args_is_help=True, help="Raw Parquet files: list them, remove old ones.")
COLUMNS = ("table", "seq", "mode", "ended (UTC)", "rows", "bytes", "files")


def _lake(runtime: Runtime) -> Lake:
    from cbm_etl_assets.lake.lake import Lake

    return Lake.from_settings(runtime.settings)


@app.command("list")
def list_loads(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[TABLE]")] = "",
    as_json: Json = False,
) -> None:
    """List the published loads.

    JSON: url, loads[table, seq, mode, partitions, t0, ended_at, rows, bytes, files, run_id]
    """
    from cbm_etl_assets.cli.output import number, table

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    lake = _lake(runtime)
    names = [runtime.table(name).name] if name else lake.tables()
    loads: list[dict[str, Any]] = [
        {"table": m.table, "seq": m.seq, "mode": m.mode, "partitions": m.partitions, "t0": m.t0, "ended_at": m.ended_at_utc,
         "rows": m.rows, "bytes": m.bytes, "files": len(m.files), "run_id": m.run_id}
        for one in names for m in lake.manifests(one)
    ]  # fmt: skip
    rows = [
        (e["table"], e["seq"], e["mode"], f"{e['ended_at']:%Y-%m-%d %H:%M:%S}", number(e["rows"]), number(e["bytes"]), e["files"])
        for e in loads
    ]
    output.result({"url": lake.url, "loads": loads}, table(lake.url, COLUMNS, rows, right=("seq", "rows", "bytes", "files")))


@app.command()
def clean(
    context: typer.Context,
    days: Annotated[float | None, typer.Option(min=0, help="Age; 0 = all; default CBM_LAKE__RETENTION_DAYS.")] = None,
    keep_last: Annotated[int, typer.Option(min=0, help="Keep at least so many loads of a table.")] = 0,
    name: Annotated[str, typer.Option("--table", help="Only this table.")] = "",
    as_json: Json = False,
) -> None:
    """Remove old raw files and what killed runs left; never what is in use.

    JSON: url, loads, bytes, leftovers, in_use, tables[]
    """
    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    lake = _lake(runtime)
    age = runtime.settings.lake.retention_days if days is None else days
    report = lake.clean(age, runtime.now(), keep_last=keep_last, table=runtime.table(name).name if name else None)
    kept = f", {report.in_use} kept: in use" if report.in_use else ""
    text = f"{report.loads} loads removed ({report.bytes} bytes), {report.leftovers} leftovers{kept}."
    document = {
        "url": lake.url, "loads": report.loads, "bytes": report.bytes, "leftovers": report.leftovers, "in_use": report.in_use,
        "tables": report.tables,
    }  # fmt: skip
    output.result(document, text)
