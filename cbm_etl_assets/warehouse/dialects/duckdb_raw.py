"""Staging without a copy: a view over the load's raw files, where raw values are the ODS-bound ones under other names.

Owns the view's text, its end and its change into a table. The files were verified whole by the lake, which keeps them until
the merge. Measured on 40,000 x 320: staging and merge 1.1 CPU-s, through a staging table 2.2 (docs/decisions/0008-duckdb-merge.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.warehouse.port import StagingTable
from cbm_etl_assets.warehouse.sql import Fragment, Statements

if TYPE_CHECKING:
    import duckdb

# Columns the view adds; DuckDB compares names without case.
_OWN = {"rowid", "file_row_number"}
_GLOB = set("*?[")


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def is_viewable(spec: TableSpec, files: Sequence[tuple[Path, int]]) -> bool:
    """False for no file at all, for a path DuckDB would take for a pattern, and for columns named as the view's own."""
    names = {name.lower() for c in spec.kept_columns for name in (c.name, *c.target_names)}
    return bool(files) and not names & _OWN and not any(_GLOB & set(str(path)) for path, _ in files)


def view_text(statements: Statements, spec: TableSpec, staging: StagingTable, files: Sequence[tuple[Path, int]]) -> str:
    """CREATE VIEW over `files` (path, rows), in their order."""
    casts = Fragment(", ".join(
        f"{statements.quote(column.name)}::{statements.type_name(kind)} AS {statements.quote(target)}"
        for column, (target, kind) in zip(spec.kept_columns, spec.target_columns, strict=True)
    ))  # fmt: skip
    parts, before = [], 0
    for path, rows in files:
        file = Fragment(literal(str(path)))
        parts.append(statements.render("staging/raw_part", before=Fragment(str(before)), casts=casts, file=file))
        before += rows
    return statements.render(
        "staging/create_view", staging=statements.ident("stg", staging.name), parts=Fragment("UNION ALL\n".join(parts))
    )


def is_view(connection: duckdb.DuckDBPyConnection, statements: Statements, name: str) -> bool:
    found = connection.execute(statements.render("staging/view_count"), {"name": name}).fetchone()
    return bool(found and found[0])


def drop(connection: duckdb.DuckDBPyConnection, statements: Statements, name: str) -> None:
    """The load's staging, whichever of the two it is."""
    statement = "staging/drop_view" if is_view(connection, statements, name) else "staging/drop"
    connection.execute(statements.render(statement, staging=statements.ident("stg", name)))


def materialise(connection: duckdb.DuckDBPyConnection, statements: Statements, spec: TableSpec, name: str) -> None:
    """Turns a view into the table it shows; leaves a table alone."""
    if not is_view(connection, statements, name):
        return
    connection.execute(statements.render(
        "staging/materialise", copy=statements.ident("stg", f"{name}_rows"), staging=statements.ident("stg", name),
        renamed=statements.ident(name), columns=statements.columns(spec.target_columns),
    ))  # fmt: skip
