"""`quarantine list|show|replay|drop`: the rows that could not be loaded. Reading them needs neither the source nor the warehouse.

Owns the form. What is bad and what heals it is `pipeline.quarantine`; the entries hold no masked value.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Choice, Json, LoopSettings, choose, load_and_show
from cbm_etl_assets.cli.runtime import Runtime, runtime_of
from cbm_etl_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from cbm_etl_assets.control.port import QuarantineEntry

app = typer.Typer(no_args_is_help=True, help="Rows that could not be loaded: list, show, load again, drop.")
COLUMNS = ("table", "id", "state", "key", "column", "error", "seen first (UTC)", "seen last (UTC)", "message")
_MESSAGE_CHARS = 120


def document(entry: QuarantineEntry) -> dict[str, Any]:
    """The stable JSON form of one entry."""
    row = entry.row
    return {
        "table": entry.table, "id": entry.id, "state": entry.state, "key": json.loads(row.key_json), "key_hash": row.key_hash,
        "can_retry": row.can_retry, "column": row.column, "error": {"class": row.error_class, "message": row.message},
        "payload": json.loads(row.payload), "run_id": entry.run_id, "seq": entry.seq, "first_seen": entry.first_seen_utc,
        "last_seen": entry.last_seen_utc,
    }  # fmt: skip


def _key(entry: QuarantineEntry) -> str:
    return ", ".join(f"{name}={value}" for name, value in json.loads(entry.row.key_json).items()) or "(no key)"


def _line(entry: QuarantineEntry) -> tuple[object, ...]:
    message = entry.row.message
    short = message if len(message) <= _MESSAGE_CHARS else message[: _MESSAGE_CHARS - 1] + "…"
    stamps = (f"{stamp:%Y-%m-%d %H:%M:%S}" for stamp in (entry.first_seen_utc, entry.last_seen_utc))
    return (entry.table, entry.id, entry.state, _key(entry), entry.row.column, entry.row.error_class, *stamps, short)


def _entries(runtime: Runtime, name: str | None) -> list[QuarantineEntry]:
    control = runtime.platform.control
    control.upgrade()
    return control.quarantine_entries(runtime.table(name).name if name else None)


def _one(runtime: Runtime, name: str, number: int) -> QuarantineEntry:
    entries = _entries(runtime, name)
    found = next((entry for entry in entries if entry.id == number), None)
    if found is None:
        known = ", ".join(str(entry.id) for entry in entries[:20]) or "none"
        raise ConfigurationError(f"Table '{name}' has no quarantine entry {number}. Known: {known}.", remedy="cbm-etl quarantine list")
    return found


@app.command("list")
def list_entries(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[TABLE]")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Healed and dropped entries too.")] = False,
    as_json: Json = False,
) -> None:
    """List the rows in quarantine.

    JSON: command, entries[table, id, state, key{}, key_hash, can_retry, column, error{class, message}, payload{}, first_seen, last_seen]
    """
    from cbm_etl_assets.cli.output import table

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    entries = [entry for entry in _entries(runtime, name or None) if everything or entry.state == "open"]
    shown = table("", COLUMNS, [_line(entry) for entry in entries], right=("id",)) if entries else "No row is in quarantine."
    output.result({"command": "quarantine list", "entries": [document(entry) for entry in entries]}, shown)


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TABLE")],
    number: Annotated[int, typer.Argument(metavar="ID")],
    as_json: Json = False,
) -> None:
    """Show one row in quarantine: why, since when, and every value known.

    JSON: command, entry{as of `quarantine list`}
    """
    from cbm_etl_assets.cli.output import table

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    entry = _one(runtime, name, number)
    facts = [*zip(COLUMNS, _line(entry)[:-1], strict=False), ("message", entry.row.message), ("run", entry.run_id)]
    values = table("values", ("column", "value"), list(json.loads(entry.row.payload).items()))
    output.result({"command": "quarantine show", "entry": document(entry)}, table("", ("", ""), facts), values)


@app.command()
def replay(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="TABLE...", help="Tables whose quarantined keys to load now.")],
    as_json: Json = False,
) -> None:
    """Load the quarantined keys of tables now.

    Reads them by key, under the table's lock; what loads well is healed. Every load does so too: this one does nothing else.
    JSON: as of `run`.
    """
    from cbm_etl_assets.pipeline.results import LoadOptions

    runtime = runtime_of(context)
    runtime.output(machine=as_json)
    specs = choose(runtime.catalog, Choice(tuple(names)))
    raise typer.Exit(load_and_show(runtime, specs, LoadOptions(replay=True), LoopSettings("quarantine replay")))


@app.command()
def drop(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TABLE")],
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[ID]...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open entry of the table.")] = False,
    as_json: Json = False,
) -> None:
    """Stop retrying rows: their entries stay, closed as dropped.

    Nothing is deleted in ODS. A load that finds such a row good heals its entry all the same.
    JSON: command, table, dropped
    """
    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    if bool(numbers) == everything:
        raise ConfigurationError("Which entries?", remedy="name their ids (cbm-etl quarantine list), or use --all; not both")
    spec = runtime.table(name)
    ids = [_one(runtime, spec.name, number).id for number in numbers or ()]
    ids = ids or [entry.id for entry in _entries(runtime, spec.name) if entry.state == "open"]
    dropped = runtime.platform.control.quarantine_drop(spec.name, ids)
    output.result({"command": "quarantine drop", "table": spec.name, "dropped": dropped}, f"{dropped} entries of {spec.name} dropped.")
