"""`tables sync` and `tables import-config`: follow the source's catalogue, take over the old pipeline's configuration.

Owns the choice of what is applied and the form of the answer. Comparing and converting are `metadata.sync` and `metadata.legacy`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import Runtime, runtime_of
from cbm_etl_assets.cli.tables_write import Overwrite, folder_to_write, open_source
from cbm_etl_assets.errors import CbmError, ConfigurationError, SourceSchemaError

if TYPE_CHECKING:
    from cbm_etl_assets.control.port import DriftRow
    from cbm_etl_assets.metadata.catalogue import SourceTable
    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.metadata.sync import Change
    from cbm_etl_assets.source.port import Source

COLUMNS = ("table", "class", "change", "column", "before", "after", "met by a load", "note")
LEGACY = ("ETL_Tables", "ETL_Columns", "ETL_Dependencies")


class Apply(StrEnum):
    """The most serious class of change that is written."""

    SAFE = "safe"
    REVIEW = "review"
    BREAKING = "breaking"


def within(changes: Sequence[Change], most: Apply) -> list[Change]:
    allowed = list(Apply)[: list(Apply).index(most) + 1]
    return [change for change in changes if change.change_class.value in allowed]


def rewrite(path: Path, spec: TableSpec) -> None:
    """Replace the file in one step; the comments at its head stay."""
    from cbm_etl_assets.metadata.writer import spec_to_yaml

    head = []
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if not line.startswith("#"):
            break
        if "yaml-language-server" not in line:
            head.append(line.removeprefix("#").removeprefix(" "))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(spec_to_yaml(spec, head), encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _entry(name: str, change: Change, applied: bool, recorded: Mapping[str, DriftRow]) -> dict[str, Any]:
    met = recorded.get(change.column.lower())
    return {
        "table": name, "class": change.change_class, "kind": change.kind, "column": change.column, "before": change.before,
        "after": change.after, "note": change.note, "applied": applied, "found_utc": met.found_utc if met else None,
        "consequence": met.consequence if met else "",
    }  # fmt: skip


def _met(entry: dict[str, Any]) -> str:
    return f"{entry['consequence']} {entry['found_utc']:%Y-%m-%d %H:%M}" if entry["found_utc"] else ""


def sync(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Tables to look at; none = all.")] = None,
    apply: Annotated[Apply | None, typer.Option(help="Write the changes up to this class into the specs.")] = None,
    as_json: Json = False,
) -> None:
    """Show and apply what changed in the source's catalogue.

    Without --apply nothing is written. Exit code 1 when a table is gone from the source.
    What loads made of a change, and since when, is in etl.SchemaDrift.
    JSON: changes[table, class, kind, column, before, after, note, applied, found_utc, consequence], missing{table: why}
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.metadata.sync import apply_changes, diff

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    specs = [runtime.table(name) for name in names] if names else list(runtime.catalog.values())
    source = open_source(runtime)
    entries: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for spec in specs:
        try:
            changes = diff(spec, source.catalogue(spec.source_schema, spec.table))
        except SourceSchemaError as error:
            missing[spec.name] = str(error)
            continue
        chosen = within(changes, apply) if apply else []
        if chosen:
            rewrite(_writable(runtime, spec.name), apply_changes(spec, chosen))
        met = {row.column.lower(): row for row in runtime.platform.control.drift_rows(spec.name) if row.resolved_utc is None}
        entries += [_entry(spec.name, change, change in chosen, met) for change in changes]
    shown_keys = ("table", "class", "kind", "column", "before", "after")
    rows = [(*(e[key] for key in shown_keys), _met(e), e["note"]) for e in entries]
    done = sum(e["applied"] for e in entries)
    tail = f"{len(entries)} changes in {len(specs)} tables, {done} written."
    hint = " --apply safe|review|breaking writes them." if entries and not apply else ""
    shown = [table("", COLUMNS, rows)] if rows else []
    output.result({"changes": entries, "missing": missing}, *shown, *missing.values(), tail + hint)
    raise typer.Exit(1 if missing else 0)


def _writable(runtime: Runtime, name: str) -> Path:
    """The table's file. Raises: ConfigurationError for a packaged spec, which an upgrade would replace."""
    from cbm_etl_assets.settings import PACKAGE_DIR

    files: Mapping[str, Path] = getattr(runtime.catalog, "files", {})
    if name not in files or PACKAGE_DIR in files[name].parents:
        raise ConfigurationError(f"The spec of '{name}' belongs to the package.", remedy="cbm-etl tables add writes one of your own")
    return files[name]


def import_config(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", exists=True, file_okay=False, help="ETL_Tables, ETL_Columns as CSV or Parquet.")
    ] = None,
    odbc: Annotated[bool, typer.Option("--odbc", help="Read config.* of a database; its connection string comes from stdin.")] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write specs from an old config.ETL_Tables and ETL_Columns.

    Types come from the source's catalogue. Exit code 1 when a table could not be taken over.
    JSON: written[], failed{table: why}, warnings[]
    """
    from cbm_etl_assets.metadata.legacy import import_legacy
    from cbm_etl_assets.metadata.writer import write_spec

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    if (folder is None) == (not odbc):
        raise ConfigurationError("Say where the old configuration is: a folder with its exports, or --odbc.")
    rows = _from_database(runtime) if folder is None else _from_folder(folder)
    source = open_source(runtime)
    found = import_legacy(rows["ETL_Tables"], rows["ETL_Columns"], _lookup(runtime, source), rows["ETL_Dependencies"])
    target, written, failed = folder_to_write(runtime), [], dict(found.failed)
    for spec in found.specs:
        try:
            written.append(str(write_spec(spec, target, overwrite)))
        except CbmError as error:
            failed[spec.name] = str(error)
    for warning in found.warnings:
        output.note(f"warning: {warning}")
    lines = [f"{name}: {why}" for name, why in failed.items()]
    document = {"written": written, "failed": failed, "warnings": found.warnings}
    output.result(document, *lines, f"{len(written)} specs written to {target}, {len(failed)} failed.")
    raise typer.Exit(1 if failed else 0)


def _lookup(runtime: Runtime, source: Source) -> Any:
    schema = runtime.settings.source.source_schema

    def lookup(name: str) -> SourceTable | None:
        try:
            return source.catalogue(schema, name)
        except SourceSchemaError:
            return None

    return lookup


def _from_folder(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Raises: ConfigurationError when ETL_Tables or ETL_Columns is not there; ETL_Dependencies may be absent."""
    from cbm_etl_assets.metadata.legacy import read_rows

    files = {p.stem.lower().removeprefix("config."): p for p in sorted(folder.iterdir()) if p.suffix.lower() in (".csv", ".parquet")}
    for name in LEGACY[:2]:
        if name.lower() not in files:
            raise ConfigurationError(f"{folder} holds no {name}.csv or {name}.parquet. Found: {', '.join(sorted(files)) or 'nothing'}.")
    return {name: read_rows(files[name.lower()]) if name.lower() in files else [] for name in LEGACY}


def _from_database(runtime: Runtime) -> dict[str, list[dict[str, Any]]]:
    """The three tables over ODBC. The connection string is asked for without echo, or read from a pipe: never an argument."""
    from pydantic import SecretStr

    from cbm_etl_assets.source.odbc import OdbcSource

    typed = typer.prompt("ODBC connection string", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not typed:
        raise ConfigurationError("No connection string on standard input.", remedy="type it at the prompt, or pipe it in")
    runtime.extra_secrets = (typed,)
    source = runtime.settings.source.model_copy(update={"connection_string": SecretStr(typed), "dialect": "ansi"})
    with OdbcSource(runtime.settings.model_copy(update={"source": source})) as reader:
        rows = {name: list(reader.query(f"SELECT * FROM config.{name}").to_pylist()) for name in LEGACY[:2]}  # noqa: S608 - constants
        try:
            rows[LEGACY[2]] = list(reader.query("SELECT * FROM config.ETL_Dependencies").to_pylist())
        except SourceSchemaError:
            rows[LEGACY[2]] = []  # the oldest installations have none
    return rows


def register(group: typer.Typer) -> None:
    group.command()(sync)
    group.command("import-config")(import_config)
