"""`status`: per table the last run, its age, rows and watermark, from the control database.

Owns the joining and the form. Opens neither the source nor the warehouse file: it answers while a load runs.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of

LAST_RUNS = "SELECT * FROM etl.vw_LastRuns"
WATERMARKS = "SELECT TableName, WatermarkTs FROM etl.Watermark"
BREACHES = "SELECT TableName, SLAStatus FROM etl.vw_SLABreach"
COLUMNS = ("table", "status", "sla", "mode", "ended (UTC)", "age", "read", "inserted", "updated", "seconds", "watermark", "error")


def _lower(rows: list[dict[str, object]]) -> list[dict[str, Any]]:
    """PostgreSQL answers in lower case, SQLite and SQL Server as written."""
    return [{key.lower(): value for key, value in row.items()} for row in rows]


def as_utc(value: Any) -> dt.datetime | None:
    """A stamp of the log: a datetime, or SQLite's text; naive means UTC."""
    if value is None or value == "":
        return None
    stamp = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
    return stamp.replace(tzinfo=dt.UTC) if stamp.tzinfo is None else stamp.astimezone(dt.UTC)


def age(seconds: float | None) -> str:
    """90061 -> '1 d 1 h'."""
    if seconds is None:
        return "-"
    for unit, size, lower, per in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} {int(seconds % size // per)} {lower}"
    return f"{int(seconds)} s"


def entry(name: str, run: dict[str, Any], watermark: Any, sla: str, now: dt.datetime) -> dict[str, Any]:
    """The stable JSON form of one table's status."""
    started, ended = as_utc(run.get("startedutc")), as_utc(run.get("endedutc"))
    last = ended or started
    return {
        "table": name, "status": run.get("status", "never"), "sla": sla, "mode": run.get("mode") or None, "run_id": run.get("runid"),
        "started_at": started, "ended_at": ended, "age_seconds": round((now - last).total_seconds(), 1) if last else None,
        "seconds": run.get("durationseconds"),
        "rows": {n: run.get(f"rows{n}") for n in ("read", "inserted", "updated", "unchanged", "deleted", "quarantined")},
        "watermark": str(watermark) if watermark else None,
        "error": {"class": run["errorclass"], "message": run.get("errormessage")} if run.get("errorclass") else None,
    }  # fmt: skip


def _row(e: dict[str, Any]) -> tuple[object, ...]:
    from cbm_etl_assets.cli.output import number

    rows = e["rows"]
    ended = f"{e['ended_at']:%Y-%m-%d %H:%M:%S}" if e["ended_at"] else "-"
    seconds = "-" if e["seconds"] is None else number(float(e["seconds"]), 1)
    counts = [number(rows[n]) or "-" for n in ("read", "inserted", "updated")]
    return (e["table"], e["status"], e["sla"], e["mode"] or "-", ended, age(e["age_seconds"]), *counts, seconds,
            e["watermark"] or "-", e["error"]["class"] if e["error"] else "")  # fmt: skip


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show the last run of every table.

    Age, rows, watermark, SLA. Opens the control database only, so it answers while a load holds the warehouse. A run that was
    killed is closed as failed.

    JSON: command, breakers[resource, state, failures, detail],
    tables[table, status, sla, mode, ended_at, age_seconds, rows{read, ...}, watermark, error]
    """
    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    control = runtime.platform.control
    control.upgrade()
    control.reap_runs()  # else a killed run would look like a running one until the next load of its table
    runs = {r["tablename"]: r for r in _lower(control.query(LAST_RUNS))}
    waters = {r["tablename"]: r["watermarkts"] for r in _lower(control.query(WATERMARKS))}
    slas = {r["tablename"]: r["slastatus"] for r in _lower(control.query(BREACHES))}
    names = [*runtime.catalog, *(n for n in sorted(runs) if n not in runtime.catalog)]
    entries = [entry(n, runs.get(n, {}), waters.get(n), slas.get(n, "-"), runtime.now()) for n in names]

    from cbm_etl_assets.cli.breaker import entries as breaker_entries
    from cbm_etl_assets.cli.output import table

    shown = table("", COLUMNS, [_row(e) for e in entries], right=COLUMNS[5:10])
    breakers = breaker_entries(control)
    tripped = [f"{e['resource']}: circuit breaker {e['detail']}" for e in breakers if e["state"] != "closed"]
    failures = [f"{e['table']}: {e['error']['message']}" for e in entries if e["error"]]
    output.result({"command": "status", "breakers": breakers, "tables": entries}, shown, *tripped, *failures)


def register(app: typer.Typer) -> None:
    app.command()(status)
