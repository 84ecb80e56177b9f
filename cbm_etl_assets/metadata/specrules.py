"""The rules that hold inside one table spec and span several fields.

Owns the wording of each breach; each begins with the path of the field, which `metadata.catalog` turns into a line.
Fields and their own rules are in `metadata.spec`, rules across tables in `metadata.catalog`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.naming import TECHNICAL_COLUMNS
from cbm_etl_assets.metadata.types import Kind

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.spec import TableSpec

LISTED = 12  # known names quoted in a message; a table may have 600


def breaches(spec: TableSpec) -> Iterator[str]:
    """Every broken rule, as 'field: what, which value, remedy'."""
    yield from _declared_twice(spec)
    yield from _uses(spec)
    yield from _key(spec)
    yield from _cursor(spec)
    yield from _masks(spec)
    yield from _non_finite(spec)
    yield from _collisions(spec)
    if spec.quality:
        from cbm_etl_assets.metadata.rules import rule_breaches

        yield from rule_breaches(spec)
    if spec.freshness.warn > spec.freshness.fail:
        yield "freshness.warn: must not be later than freshness.fail"


def known(names: list[str], wrong: str) -> str:
    """' Did you mean x? Known: a, b, c.' with the nearest names first when there are many."""
    near = difflib.get_close_matches(wrong.lower(), [n.lower() for n in names], 1, 0.7)
    meant = next((n for n in names if near and n.lower() == near[0]), "")
    shown = sorted(names, key=str.lower)
    more = f" and {len(shown) - LISTED} more" if len(shown) > LISTED else ""
    return (f" Did you mean '{meant}'?" if meant else "") + f" Known: {', '.join(shown[:LISTED])}{more}."


def _declared_twice(spec: TableSpec) -> Iterator[str]:
    seen: dict[str, int] = {}
    for i, column in enumerate(spec.columns):
        if column.name.lower() in seen:
            yield f"columns.{i}: column '{column.name}' is declared twice, first as number {seen[column.name.lower()] + 1}"
        seen.setdefault(column.name.lower(), i)


def _uses(spec: TableSpec) -> Iterator[str]:
    uses = [(f"primary_key.{i}", name) for i, name in enumerate(spec.primary_key)]
    if spec.cursor:
        uses += [(f"cursor.columns.{i}", name) for i, name in enumerate(spec.cursor.columns)]
        uses += [("cursor.time_column", spec.cursor.time_column)] if spec.cursor.time_column else []
    if spec.split:
        uses.append(("split.column", spec.split.column))
    columns = {c.name.lower(): c for c in spec.columns}
    for where, name in uses:
        column = columns.get(name.lower())
        if column is None:
            yield f"{where}: unknown column '{name}'.{known([c.name for c in spec.columns], name)}"
        elif column.exclude:
            yield f"{where}: column '{name}' is excluded; keep it or choose another"
        elif column.extent:
            yield f"{where}: column '{name}' is an array of {column.extent}; choose a column with one value"
    if spec.partition and not spec.cursor:
        yield "partition: needs a cursor; without one the table is loaded in full"


def _key(spec: TableSpec) -> Iterator[str]:
    columns = {c.name.lower(): c for c in spec.columns}
    seen: set[str] = set()
    for i, name in enumerate(spec.primary_key):
        column = columns.get(name.lower())
        if name.lower() in seen:
            yield f"primary_key.{i}: column '{name}' is named twice"
        elif column and column.mask and column.mask != "hash":
            yield f"primary_key.{i}: mask {column.mask} of '{name}' makes different keys equal; use mask hash or choose another key"
        elif column and column.logical.kind is Kind.BINARY:
            yield f"primary_key.{i}: column '{name}' is binary, which cannot be a key"
        seen.add(name.lower())


def _cursor(spec: TableSpec) -> Iterator[str]:
    if spec.cursor is None:
        return
    columns = {c.name.lower(): c for c in spec.columns}
    for i, name in enumerate(spec.cursor.columns):
        column = columns.get(name.lower())
        if column and not column.logical.is_temporal:
            yield f"cursor.columns.{i}: column '{name}' is {column.type}; a cursor is a date, timestamp or timestamptz"


def _masks(spec: TableSpec) -> Iterator[str]:
    for i, column in enumerate(spec.columns):
        if column.mask and column.mask != "null" and not (column.logical.is_text or column.extent):
            yield (
                f"columns.{i}.mask: mask {column.mask} gives text and column '{column.name}' is {column.type}; "
                f"use mask 'null', or type: varchar with source_type: {column.type}"
            )


def _non_finite(spec: TableSpec) -> Iterator[str]:
    for i, column in enumerate(spec.columns):
        if column.non_finite != "keep" and column.logical.kind is not Kind.DOUBLE:
            yield f"columns.{i}.non_finite: only a double holds NaN or infinity, and column '{column.name}' is {column.type}"


def _collisions(spec: TableSpec) -> Iterator[str]:
    owners: dict[str, str] = {}
    for i, column in enumerate(spec.columns):
        if column.exclude:
            continue
        for target in column.target_names:
            lower = target.lower()
            if lower in TECHNICAL_COLUMNS:
                yield f"columns.{i}.target: '{target}' is a technical column of the platform; choose another target"
            elif owners.setdefault(lower, column.name) != column.name:
                yield (
                    f"columns.{i}: columns '{owners[lower]}' and '{column.name}' both become '{target}' in the warehouse; "
                    f"give one of them a target of its own, e.g. target: {column.target_name}_2"
                )
                break
