"""A source table -> the TableSpec that is proposed for it, and why.

Owns the choice of key and cursor and the way out of colliding names. Writing it to a file is `metadata.writer`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from enum import StrEnum

from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.naming import TECHNICAL_COLUMNS, sql_safe
from cbm_etl_assets.metadata.spec import ColumnSpec, CursorPrecision, CursorSpec, TableSpec
from cbm_etl_assets.metadata.types import Kind

_MODIFIED = re.compile(
    r"(dat|date|dt)?_?(mod|modi|modif|modified|modification|maj|upd|updated|last_?mod\w*|last_?upd\w*)(_?(at|on|date|dat|ts))?"
)
_CREATED = re.compile(r"(dat|date|dt)?_?(crt|cre|crea|created|creation|insert|inserted)(_?(at|on|date|dat|ts))?")
_CLOCK = re.compile(r"(hr|hre|heure|heur|time|tim)_?(mod|modif|maj|upd|updated)")


class KeyBasis(StrEnum):
    """What a proposed key rests on."""

    MANDATORY = "mandatory"  # a UNIQUE index over mandatory columns
    DATA = "data"  # a UNIQUE index; not all its columns are mandatory, and the data holds no NULL there
    UNPROVEN = "unproven"  # as DATA, but no data was looked at
    NONE = "none"  # no such index: loaded in full, rows matched as a multiset


def propose_spec(table: SourceTable, *, null_columns: frozenset[str] = frozenset(), target: str | None = None) -> TableSpec:
    """The spec of a table as its catalogue allows: key, cursor, extents, widths, labels.

    `null_columns`: columns found to hold NULLs in the data; no key is proposed over one of them.
    """
    key = propose_key(table, null_columns)
    return TableSpec(
        table=table.name,
        source_schema=table.schema,
        target=target if target and target != sql_safe(table.name) else None,
        description=" ".join((table.description or table.label).split()),
        primary_key=key.columns if key else (),
        cursor=_cursor(table),
        columns=tuple(_columns(table)),
    )


def propose_key(table: SourceTable, null_columns: frozenset[str] = frozenset()) -> SourceIndex | None:
    """A UNIQUE index over mandatory columns, else a UNIQUE one whose columns hold no NULL, else none.

    Never a primary index that is not unique: the MERGE would die of duplicates. Among equals the primary index, then the
    one with the fewest columns.
    """
    holding_nulls = {name.lower() for name in null_columns}
    candidates = []
    for index in table.indexes:
        columns = [table.column(name) for name in index.columns]
        usable = [c for c in columns if c is not None and not c.extent and c.type.kind is not Kind.BINARY]
        if not (index.unique and index.active and not index.word and columns and len(usable) == len(columns)):
            continue
        mandatory = all(c.mandatory for c in usable)
        if mandatory or not any(c.name.lower() in holding_nulls for c in usable):
            candidates.append((not mandatory, not index.primary, len(columns), index.name, index))
    return min(candidates)[-1] if candidates else None


def key_basis(table: SourceTable, *, null_columns: frozenset[str] | None = None) -> KeyBasis:
    """`null_columns` None = the data was not looked at."""
    key = propose_key(table, null_columns or frozenset())
    if key is None:
        return KeyBasis.NONE
    if all((column := table.column(name)) and column.mandatory for name in key.columns):
        return KeyBasis.MANDATORY
    return KeyBasis.UNPROVEN if null_columns is None else KeyBasis.DATA


def notes(table: SourceTable, *, null_columns: frozenset[str] | None = None) -> tuple[str, ...]:
    """What a reader of the proposal should know, as sentences; `null_columns` None = the data was not looked at."""
    return tuple(_notes(table, null_columns))


def _notes(table: SourceTable, null_columns: frozenset[str] | None) -> Iterator[str]:
    key = propose_key(table, null_columns or frozenset())
    if key is None:
        yield "No usable unique index: loaded in full, rows matched as a multiset. Name a primary_key if you know one."
    else:
        nullable = [name for name in key.columns if not (column := table.column(name)) or not column.mandatory]
        yield f"Key: unique index {key.name}." + (_nulls_note(nullable, null_columns) if nullable else " All its columns are mandatory.")
    primary = next((i for i in table.indexes if i.primary), None)
    if primary and not primary.unique:
        yield f"The primary index {primary.name} is not unique: not a key."
    renamed = [f"{c.name} -> {c.target}" for c in _columns(table) if c.target]
    if renamed:
        yield f"Renamed, because their SQL-safe names collide: {', '.join(renamed)}."


def _nulls_note(nullable: list[str], null_columns: frozenset[str] | None) -> str:
    seen = "the data holds no NULL there" if null_columns is not None else "the data was not looked at: run cbm-etl preflight"
    return f" Not mandatory: {', '.join(nullable)}; {seen}."


def _words(name: str) -> str:
    """Lower case, words joined by '_': datMod, dat-mod and DAT_MOD are one."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")


def _cursor(table: SourceTable) -> CursorSpec | None:
    """From names such as dat_mod, dat_crt, hr_mod. A creation stamp alone is no cursor: it never sees an update."""
    stamps = [c for c in table.columns if c.type.is_temporal and not c.extent]
    modified = next((c for c in stamps if _MODIFIED.fullmatch(_words(c.name))), None)
    if modified is None:
        return None
    created = next((c for c in stamps if _CREATED.fullmatch(_words(c.name)) and c.type == modified.type), None)
    is_date = modified.type.kind is Kind.DATE
    clock = next((c for c in table.columns if not c.extent and _CLOCK.fullmatch(_words(c.name))), None) if is_date else None
    return CursorSpec(
        columns=(modified.name, created.name) if created else (modified.name,),
        precision=CursorPrecision.DATE if is_date else CursorPrecision.DATETIME,
        time_column=clock.name if clock else None,
        lookback=dt.timedelta(days=1) if is_date else dt.timedelta(hours=2),
    )


def _columns(table: SourceTable) -> Iterator[ColumnSpec]:
    taken: set[str] = set()
    # Names that are safe as they stand keep them; only the others give way, wherever they come in the table.
    own = {c.name.lower() for c in table.columns if sql_safe(c.name) == c.name}
    for column in table.columns:
        target = _free_target(column, taken, own)
        spec = _column(column, None if target == sql_safe(column.name) else target)
        taken.update(name.lower() for name in spec.target_names)
        yield spec


def _free_target(column: SourceColumn, taken: set[str], own: set[str]) -> str:
    safe = sql_safe(column.name)
    blocked = taken | set(TECHNICAL_COLUMNS) | (own - {column.name.lower()})
    candidate, number = safe, 1
    while any(name.lower() in blocked for name in _column(column, candidate).target_names):
        number += 1
        candidate = f"{safe}_{number}"
    return candidate


def _column(column: SourceColumn, target: str | None) -> ColumnSpec:
    return ColumnSpec(
        name=column.name,
        type=str(column.type),
        target=target,
        extent=column.extent,
        nullable=not column.mandatory,
        case_sensitive=True if column.case_sensitive else None,
        sql_width=column.sql_width,
        label=_one_line(column.label, column.name),
        description=_one_line(column.description, column.label),
    )


def _one_line(text: str, known: str) -> str:
    """The text on one line; '' where it only repeats what is known."""
    line = " ".join(text.split())
    return "" if line.lower() == known.lower() else line
