"""`why` and `asof`: the story of one row, and a table as it was. The work is `pipeline.why`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of
from cbm_etl_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.pipeline.why import Story, Version

COLUMNS = ("valid from", "valid to", "load", "mode", "partition", "run", "read at", "hashdiff", "raw file")
WHEN = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]


def _column(spec: TableSpec, name: str) -> str:
    """A column by its target name or its source name. Raises: ConfigurationError naming the known ones."""
    targets = [target for target, _ in spec.target_columns]
    found = [t for t in targets if t.lower() == name.lower()] or [
        c.target_names[0] for c in spec.kept_columns if c.name.lower() == name.lower()
    ]
    if not found:
        raise ConfigurationError(f"Table '{spec.name}' has no column '{name}'. Known: {', '.join(targets)}.")
    return found[0]


def _document(story: Story, column: str) -> dict[str, Any]:
    return {
        "command": "why", "table": story.table, "key": story.key, "key_hash": story.key_hash, "history": story.has_history,
        "masks": story.masks, "versions": [_version(v, column) for v in story.versions],
        "quarantine": [{"state": e.state, "column": e.row.column, "error": e.row.message, "run_id": e.run_id} for e in story.quarantine],
    }  # fmt: skip


def _version(version: Version, column: str) -> dict[str, Any]:
    origin = version.origin
    return {
        "valid_from": version.valid_from, "valid_to": version.valid_to, "is_deleted": version.is_deleted, "seq": origin.seq,
        "run_id": origin.run_id, "mode": origin.mode, "partitions": origin.partitions, "raw_file": origin.raw_file,
        "extracted_at": version.extracted_at, "hashdiff": version.hashdiff, "changed": version.changed,
        "values": {column: version.values[column]} if column else version.values,
    }  # fmt: skip


def _row(version: Version) -> tuple[object, ...]:
    origin = version.origin
    ended = "deleted" if version.is_deleted else version.valid_to
    partition = " .. ".join(dict.fromkeys((origin.partitions[0], origin.partitions[-1]))) if origin.partitions else ""
    raw = origin.raw_file.rsplit("/raw/", 1)[-1]
    return (
        version.valid_from,
        ended,
        origin.seq,
        origin.mode,
        partition,
        origin.run_id[:8],
        version.extracted_at,
        version.hashdiff[:12],
        raw,
    )


def _changes(story: Story, column: str) -> list[str]:
    """The first version's values, then what each next one changed."""
    lines = []
    for before, version in zip([None, *story.versions], story.versions, strict=False):
        names = [column] if column else list(version.changed if before is not None else version.values)
        for name in names:
            old = f"{before.values[name]} -> " if before is not None and name in version.changed else ""
            mask = f"  (mask: {story.masks[name]})" if name in story.masks else ""
            lines.append(f"load {version.origin.seq}: {name} = {old}{version.values[name]}{mask}")
    return lines


def why(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TABLE")],
    key: Annotated[list[str], typer.Argument(metavar="KEY...", help="The key's values, in the order of primary_key.")],
    column: Annotated[str, typer.Option(help="This column only.")] = "",
    as_json: Json = False,
) -> None:
    """Tell the story of one row.

    Every version (history: true) or the current row: run, raw file, partition, hashdiff, what changed, masks applied, quarantine.
    JSON: command, table, key, key_hash, history, masks, versions[valid_from, valid_to, run_id, raw_file, ..., values], quarantine
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.pipeline.why import why as tell

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    spec = runtime.table(name)
    chosen = _column(spec, column) if column else ""
    story = tell(runtime.platform, spec, key)
    title = f"{spec.name} {' '.join(key)}: {len(story.versions)} versions" if story.has_history else f"{spec.name} {' '.join(key)}"
    notes = [f"quarantine: {e.state} since load {e.seq}, column {e.row.column}: {e.row.message}" for e in story.quarantine]
    if not story.versions:
        output.result(_document(story, chosen), f"{spec.name} {' '.join(key)}: ODS never held this key.", *notes)
        raise typer.Exit(1)
    output.result(_document(story, chosen), table(title, COLUMNS, map(_row, story.versions)), *_changes(story, chosen), *notes)


def asof(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TABLE")],
    moment: Annotated[dt.datetime, typer.Argument(metavar="TIME", formats=WHEN, help="Source time, for instance 2026-03-01.")],
    limit: Annotated[int, typer.Option(min=0, help="Rows shown on a terminal; 0 = all. --json gives all.")] = 200,
    as_json: Json = False,
) -> None:
    """Show a table as it was.

    Needs `history: true`. A row counts from its own modification time where the table has one, else from when it was read.
    JSON: command, table, moment, columns[...], rows[[...]], row_count
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.pipeline.why import asof as read

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    spec = runtime.table(name)
    found = read(runtime.platform, spec, moment)
    shown = found.rows[:limit] if limit else found.rows
    tail = f"{len(found.rows)} rows" + (f", {len(shown)} shown (--limit 0 shows all)" if len(shown) < len(found.rows) else "")
    document = {"command": "asof", "table": spec.name, "moment": moment, "columns": found.columns, "rows": found.rows}
    title = f"{spec.name} at {moment:%Y-%m-%d %H:%M:%S} (source time)"
    output.result(document | {"row_count": len(found.rows)}, table(title, found.columns, shown), tail)


def register(app: typer.Typer) -> None:
    app.command()(why)
    app.command()(asof)
