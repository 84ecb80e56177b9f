"""`tables add`, `import-df`, `import-config`, `sync` and `schema`: the commands that write specs.

Owns the questions to the source and the form of the answer. What is proposed, compared and written is `metadata`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import Runtime, runtime_of

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.catalogue import SourceTable
    from cbm_etl_assets.metadata.propose import KeyBasis
    from cbm_etl_assets.source.port import Source

NAMED = 10
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace specs that exist.")]


def folder_to_write(runtime: Runtime) -> Path:
    """CBM_TABLES_DIR; never the package's own folder, which an upgrade replaces: then CBM_HOME/tables, which is read from then on."""
    from cbm_etl_assets.settings import PACKAGE_DIR

    settings = runtime.settings
    return settings.home / "tables" if settings.tables_dir == PACKAGE_DIR / "tables" else settings.tables_dir


def open_source(runtime: Runtime) -> Source:
    """The source alone: no spec need exist yet, and a broken one must not stop another from being written."""
    platform = runtime.open_platform(runtime.settings, {})
    runtime.closers.append(platform.close)
    return platform.source


def null_columns(runtime: Runtime, source: Source, table: SourceTable) -> frozenset[str]:
    """Columns of unique indexes that hold a NULL in the data: OpenEdge seldom declares key columns mandatory."""
    from cbm_etl_assets.source.dialects import dialect

    words = dialect(runtime.settings.source.dialect)
    wanted = {name.lower() for index in table.indexes if index.unique and not index.word for name in index.columns}
    names = [c.name for c in table.columns if c.name.lower() in wanted and not c.mandatory]
    template = "SELECT COUNT(*) FROM {table} WHERE {column} IS NULL"
    found = set()
    for name in names:
        answer = source.query(template.format(table=words.table(table.schema, table.name), column=words.identifier(name)))
        if answer.column(0)[0].as_py():
            found.add(name)
    return frozenset(found)


def add(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="TABLE...", help="Source tables.")],
    schema: Annotated[str, typer.Option(help="Source schema; default CBM_SOURCE__SOURCE_SCHEMA.")] = "",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write specs from the source's catalogue.

    Key, cursor, extents, widths and labels are proposals: read the file. JSON: written[], notes{table: [...]}
    """
    from cbm_etl_assets.metadata.propose import notes, propose_spec
    from cbm_etl_assets.metadata.schema import write_schema
    from cbm_etl_assets.metadata.writer import write_spec

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    folder, source = folder_to_write(runtime), open_source(runtime)
    written: list[str] = []
    said: dict[str, tuple[str, ...]] = {}
    for name in names:
        table = source.catalogue(schema or runtime.settings.source.source_schema, name)
        nulls = null_columns(runtime, source, table)
        spec = propose_spec(table, null_columns=nulls)
        said[spec.name] = notes(table, null_columns=nulls)
        written.append(str(write_spec(spec, folder, overwrite, said[spec.name])))
    write_schema(folder)
    lines = [f"{path} written" for path in written] + [f"{name}: {note}" for name, found in said.items() for note in found]
    output.result({"written": written, "notes": said}, *lines)


def import_schema(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="An OpenEdge schema dump (.df).")],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write specs from an OpenEdge schema dump.

    A key is a UNIQUE index over mandatory columns, else one without a NULL in the .d file beside it, else none.
    JSON: written[], skipped[], warnings[], keys{table: mandatory|data|unproven|none}
    """
    from cbm_etl_assets.metadata.writer import import_df

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    folder = folder_to_write(runtime)
    report = import_df(file, folder, overwrite=overwrite)
    for warning in report.warnings:
        output.note(f"warning: {warning}")
    skipped = f", {len(report.skipped)} left as they are (--overwrite replaces them)" if report.skipped else ""
    document = {
        "written": [str(p) for p in report.written], "skipped": [str(p) for p in report.skipped], "warnings": report.warnings,
        "keys": report.keys,
    }  # fmt: skip
    output.result(document, f"{len(report.written)} specs written to {folder}{skipped}.", *_key_lines(report.keys))


def _key_lines(keys: dict[str, KeyBasis]) -> list[str]:
    """What the proposed keys rest on: counted where it is proven, by name where someone has to look."""
    by_basis: dict[str, list[str]] = {}
    for name, basis in keys.items():
        by_basis.setdefault(basis.value, []).append(name)
    said = {
        "mandatory": "a UNIQUE index over mandatory columns",
        "data": "a UNIQUE index without a NULL in the .d file",
        "unproven": "a UNIQUE index, but no .d file to look for NULLs in (cbm-etl preflight asks the source)",
        "none": "none: loaded in full, rows matched as a multiset (name a primary_key if you know one)",
    }
    lines = [f"  {len(by_basis[b]):>5}  {text}" + _named(b, by_basis[b]) for b, text in said.items() if b in by_basis]
    return ["Keys:", *lines, "Next: cbm-etl tables check, then cbm-etl run --all"] if lines else []


def _named(basis: str, names: list[str]) -> str:
    if basis not in ("unproven", "none"):
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f": {', '.join(names[:NAMED])}{more}"


def export_schema(
    context: typer.Context,
    to: Annotated[Path | None, typer.Option("--out", file_okay=False, help="Folder; default the tables folder.")] = None,
    as_json: Json = False,
) -> None:
    """Write the JSON Schema of a spec, for editors.

    --json prints it instead. JSON: the schema itself
    """
    from cbm_etl_assets.metadata.schema import table_schema, write_schema

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    if as_json:
        output.result(table_schema())
        return
    output.result({}, f"{write_schema(to or folder_to_write(runtime))} written")


def register(group: typer.Typer) -> None:
    group.command()(add)
    group.command("import-df")(import_schema)
    group.command("schema")(export_schema)
