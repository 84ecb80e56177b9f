"""What changed between a spec and the source's catalogue, and how to follow it.

Owns the comparison and its classes: `safe` changes lose nothing, `review` ones want a look, `breaking` ones stop or
rewrite the table. Reading the catalogue and writing the file are others' business.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceTable
from cbm_etl_assets.metadata.propose import propose_spec
from cbm_etl_assets.metadata.rules import rename_in
from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.metadata.types import Kind, LogicalType

SIMILAR = 0.6  # of difflib: libelle -> libelle_court is 0.7, nom -> ville 0.0


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"  # probable: the old column went, one like it came
    RETYPED = "retyped"
    WIDENED = "widened"
    NARROWED = "narrowed"
    EXTENT = "extent"
    NULLABLE = "nullable"
    RELABELLED = "relabelled"


class ChangeClass(StrEnum):
    SAFE = "safe"
    REVIEW = "review"
    BREAKING = "breaking"


@dataclass(frozen=True)
class Change:
    """`column` is the source name in the spec (the new name for ADDED); `new` what the source says now, None for REMOVED."""

    kind: ChangeKind
    change_class: ChangeClass
    column: str
    before: str = ""
    after: str = ""
    new: ColumnSpec | None = None
    note: str = ""

    def __str__(self) -> str:
        values = f": {self.before} -> {self.after}" if self.before and self.after else f": {self.before or self.after}"
        return f"{self.change_class} {self.kind} {self.column}{values if self.before or self.after else ''}" + (
            f" ({self.note})" if self.note else ""
        )


def diff(spec: TableSpec, table: SourceTable) -> list[Change]:
    """Changes of the source since the spec was written: breaking first, then review, then safe, each in column order."""
    proposed = {c.name.lower(): c for c in propose_spec(table).columns}
    declared = {c.name.lower(): c for c in spec.columns}
    removed = [c for key, c in declared.items() if key not in proposed]
    added = [c for key, c in proposed.items() if key not in declared]
    changes = list(_renames(spec, removed, added))
    paired = {change.column.lower() for change in changes} | {change.after.lower() for change in changes}
    changes += [_removal(spec, c) for c in removed if c.name.lower() not in paired]
    changes += [
        Change(ChangeKind.ADDED, ChangeClass.SAFE, c.name, after=c.type, new=c, note="one full read fills the rows already loaded")
        for c in added
        if c.name.lower() not in paired
    ]
    for key, column in declared.items():
        source = table.column(column.name)
        if source is not None:
            changes += _column_changes(spec, column, proposed[key], source)
    order = list(ChangeClass)
    return sorted(changes, key=lambda change: -order.index(change.change_class))


def apply_changes(spec: TableSpec, changes: Iterable[Change]) -> TableSpec:
    """The spec after the changes; what people declared (targets, masks, cleaning, overrides) stays.

    Raises: SpecError when a column went that is a key, cursor or split: another one must be chosen by hand.
    """
    columns: list[dict[str, Any]] = [c.model_dump(exclude_unset=True) for c in spec.columns]
    fields = spec.model_dump(exclude_unset=True)
    for change in changes:
        at = next((i for i, c in enumerate(columns) if c["name"].lower() == change.column.lower()), None)
        if change.kind is ChangeKind.REMOVED and at is not None:
            _check_unused(spec, change.column)
            del columns[at]
        elif change.kind is ChangeKind.ADDED and change.new is not None and at is None:
            columns.append(_free_of_collisions(change.new, columns))
        elif change.new is not None and at is not None:
            columns[at] = _updated(columns[at], change)
            if change.kind is ChangeKind.RENAMED:
                _rename_uses(fields, change.column, change.new.name)
    return TableSpec.model_validate(fields | {"columns": columns})


def _renames(spec: TableSpec, removed: Sequence[ColumnSpec], added: Sequence[ColumnSpec]) -> Iterator[Change]:
    """Pairs of a column that went and one that came with the same type and a like name or the same label."""
    free = list(added)
    for old in removed:
        matches = [new for new in free if new.logical == old.source_logical and new.extent == old.extent and _is_alike(old, new)]
        if matches:
            new = max(matches, key=lambda c: difflib.SequenceMatcher(None, old.name.lower(), c.name.lower()).ratio())
            free.remove(new)
            used = _uses(spec, old.name)
            note = "probable: handled as one column gone and one come" + (f"; it is in {', '.join(used)}" if used else "")
            yield Change(ChangeKind.RENAMED, ChangeClass.BREAKING if used else ChangeClass.REVIEW, old.name, old.name, new.name, new, note)


def _is_alike(old: ColumnSpec, new: ColumnSpec) -> bool:
    if old.label and old.label == new.label:
        return True
    return difflib.SequenceMatcher(None, old.name.lower(), new.name.lower()).ratio() >= SIMILAR


def _removal(spec: TableSpec, column: ColumnSpec) -> Change:
    used = _uses(spec, column.name)
    if used:
        return Change(ChangeKind.REMOVED, ChangeClass.BREAKING, column.name, column.type, note=f"it is in {', '.join(used)}")
    return Change(ChangeKind.REMOVED, ChangeClass.REVIEW, column.name, column.type, note="kept in the warehouse, NULL from now on")


def _column_changes(spec: TableSpec, old: ColumnSpec, new: ColumnSpec, source: SourceColumn) -> Iterator[Change]:
    if old.extent != new.extent:
        grows = 0 < old.extent < new.extent
        note = f"{new.extent - old.extent} more columns" if grows and old.explode else "its columns in the warehouse are others"
        kind = ChangeClass.REVIEW if grows or not old.explode else ChangeClass.BREAKING
        yield Change(ChangeKind.EXTENT, kind, old.name, str(old.extent), str(new.extent), new, note)
    if old.is_text_whatever(source.type):
        pass  # read as text by declaration: any type will do
    elif old.source_logical != source.type:
        yield _type_change(spec, old, new, source.type)
    elif old.sql_width != new.sql_width:
        wider = new.sql_width is None or (old.sql_width is not None and new.sql_width > old.sql_width)
        width, weight = (ChangeKind.WIDENED, ChangeClass.SAFE) if wider else (ChangeKind.NARROWED, ChangeClass.REVIEW)
        yield Change(width, weight, old.name, f"SQL width {old.sql_width}", f"SQL width {new.sql_width}", new)
    if old.nullable != new.nullable:
        words = {True: "nullable", False: "mandatory"}
        yield Change(ChangeKind.NULLABLE, ChangeClass.SAFE, old.name, words[old.nullable], words[new.nullable], new)
    if new.label and old.label != new.label:
        yield Change(ChangeKind.RELABELLED, ChangeClass.SAFE, old.name, old.label, new.label, new)


def _type_change(spec: TableSpec, old: ColumnSpec, new: ColumnSpec, after: LogicalType) -> Change:
    before = old.source_logical
    if _holds(before, after):
        return Change(ChangeKind.WIDENED, ChangeClass.SAFE, old.name, str(before), str(after), new)
    if before.kind is after.kind:
        note = "values that do not fit any more are quarantined, never cut"
        return Change(ChangeKind.NARROWED, ChangeClass.REVIEW, old.name, str(before), str(after), new, note)
    used = _uses(spec, old.name)
    lossless = after.kind is Kind.VARCHAR or (before.kind, after.kind) in _LOSSLESS
    kind = ChangeClass.REVIEW if lossless and not used else ChangeClass.BREAKING
    note = (
        f"it is in {', '.join(used)}" if used else "every value has a form in the new type" if lossless else "the load stops until decided"
    )
    return Change(ChangeKind.RETYPED, kind, old.name, str(before), str(after), new, note)


_WHOLE_DIGITS = {Kind.INTEGER: 10, Kind.BIGINT: 19}
_LOSSLESS = frozenset({(Kind.DATE, Kind.TIMESTAMP), (Kind.INTEGER, Kind.DOUBLE), (Kind.BOOLEAN, Kind.INTEGER)})


def _holds(before: LogicalType, after: LogicalType) -> bool:
    """Whether every value of the old type is, unchanged, one of the new type."""
    if before.kind is Kind.DECIMAL and after.kind is Kind.DECIMAL:
        whole = [(t.precision or 0) - (t.scale or 0) for t in (before, after)]
        return whole[1] >= whole[0] and (after.scale or 0) >= (before.scale or 0)
    if before.kind in _WHOLE_DIGITS and after.kind is Kind.DECIMAL:
        return (after.precision or 0) - (after.scale or 0) >= _WHOLE_DIGITS[before.kind]
    if before.kind is after.kind:
        return after.width is None or (before.width is not None and after.width >= before.width)
    return (before.kind, after.kind) == (Kind.INTEGER, Kind.BIGINT)


def _uses(spec: TableSpec, name: str) -> list[str]:
    """Where a column does a duty that the table cannot do without."""
    cursor = (*spec.cursor.columns, spec.cursor.time_column or "") if spec.cursor else ()
    judged = tuple(c for rule in spec.rules for c in rule.columns) if spec.rules else ()
    duties = {
        "primary_key": spec.primary_key, "cursor": cursor, "split": (spec.split.column,) if spec.split else (),
        "quality": [c.name for c in spec.columns if set(c.target_names) & set(judged)],
    }  # fmt: skip
    return [duty for duty, names in duties.items() if name.lower() in (n.lower() for n in names)]


def _check_unused(spec: TableSpec, name: str) -> None:
    if used := _uses(spec, name):
        what = "take its rules out of" if used[0] == "quality" else "choose another"
        raise SpecError(
            f"Table '{spec.name}': column '{name}' is gone from the source and is in {', '.join(used)}.",
            remedy=f"{what} {used[0]} in the spec, then run cbm-etl tables sync again",
        )


def _updated(column: dict[str, Any], change: Change) -> dict[str, Any]:
    """The column with what the source says of it now; a declared type stays and only its source type follows."""
    new, result = change.new, dict(column)
    if new is None:
        return result
    if change.kind in (ChangeKind.RETYPED, ChangeKind.WIDENED, ChangeKind.NARROWED):
        result["source_type" if column.get("source_type") else "type"] = new.type
        result["sql_width"] = new.sql_width
    elif change.kind is ChangeKind.EXTENT:
        result |= {"extent": new.extent, "sql_width": new.sql_width}
    elif change.kind is ChangeKind.NULLABLE:
        result["nullable"] = new.nullable
    elif change.kind is ChangeKind.RELABELLED:
        result["label"] = new.label
    elif change.kind is ChangeKind.RENAMED:
        result |= {"name": new.name, "label": new.label}
    return result


def _rename_uses(fields: dict[str, Any], old: str, new: str) -> None:
    def swap(name: Any) -> Any:
        return new if isinstance(name, str) and name.lower() == old.lower() else name

    fields["primary_key"] = [swap(name) for name in fields.get("primary_key", ())]
    if fields.get("cursor"):
        cursor = fields["cursor"]
        fields["cursor"] = {**cursor, "columns": [swap(n) for n in cursor["columns"]], "time_column": swap(cursor.get("time_column"))}
    if fields.get("split"):
        fields["split"] = {**fields["split"], "column": swap(fields["split"]["column"])}
    if fields.get("quality"):
        fields["quality"] = [rename_in(line, old, new) for line in fields["quality"]]


def _free_of_collisions(new: ColumnSpec, columns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The new column, under another target where its own is taken."""
    specs = [ColumnSpec.model_validate(c) for c in columns]
    taken = {name.lower() for c in specs if not c.exclude for name in c.target_names}
    candidate, number = new, 1
    while any(name.lower() in taken for name in candidate.target_names):
        number += 1
        candidate = new.model_copy(update={"target": f"{new.target_name}_{number}"})
        candidate = ColumnSpec.model_validate(candidate.model_dump())
    return candidate.model_dump(exclude_defaults=True)
