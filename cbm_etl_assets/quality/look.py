"""What a rule may look at, and what it gives back.

Owns the plain data between a rule's function and the engine, and the queries of rules on whole relations. Judges nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.warehouse.sql import Fragment, Ident, Statements, Value

if TYPE_CHECKING:
    from cbm_etl_assets.control.port import Control
    from cbm_etl_assets.warehouse.port import Warehouse

SAMPLES = 10
MASKED = "***"


def ansi_quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _no_types(logical: LogicalType) -> str:
    """A quality statement only reads: it never spells a type."""
    return str(logical)


# One dialect for all warehouses: reading needs no more than every one of them understands.
STATEMENTS = Statements("common", ansi_quote, _no_types)


@dataclass(frozen=True)
class Sight:
    """What a row rule may know beside the values: the types of the columns, and the source's clock."""

    types: Mapping[str, LogicalType]
    now: dt.datetime
    allowed_modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What a table rule found. `skipped` says why it could not be judged; then the rest counts for nothing."""

    checked: int = 0
    failed: int = 0
    message: str = ""
    samples: tuple[str, ...] = ()
    skipped: str = ""


@dataclass(frozen=True)
class Relation:
    """Rows to look at: `stg.<load>` or `ods.<table>`, of which the deleted rows do not count. `seq`: those that load wrote."""

    schema: str
    name: str
    seq: int | None = None

    @property
    def ident(self) -> Ident:
        return STATEMENTS.ident(self.schema, self.name)

    @property
    def live(self) -> Fragment:
        if self.schema != "ods":
            return Fragment("1 = 1")
        return Fragment("r._deleted_at IS NULL" + (f" AND r._load_seq = {self.seq:d}" if self.seq is not None else ""))


@dataclass(frozen=True)
class Look:
    """One table, one load. `mode` and `rows_read` are the load's; a validation without a load has mode '' and rows_read None.

    `now` is the source's wall clock, `utc` the host's, both naive. `probe(name)` runs a check of the source: (is it good, what it says).
    """

    spec: TableSpec
    relation: Relation
    warehouse: Warehouse
    control: Control
    now: dt.datetime
    utc: dt.datetime
    catalog: Mapping[str, TableSpec] = field(default_factory=dict)
    mode: str = ""
    rows_read: int | None = None
    loose_text: bool = False
    probe: Callable[[str], tuple[bool, str]] = field(default=lambda name: (False, f"no probe '{name}' here"))

    @cached_property
    def types(self) -> dict[str, LogicalType]:
        return dict(self.spec.target_columns)

    def first(self, statement: str, **values: Value) -> tuple[int, ...]:
        """The one row of numbers of `sql/common/quality/<statement>.sql`; NULL is 0."""
        return tuple(int(str(value or 0)) for value in self.row(statement, **values))

    def row(self, statement: str, **values: Value) -> tuple[object, ...]:
        text = STATEMENTS.render(f"quality/{statement}", relation=self.relation.ident, live=self.relation.live, **values)
        [row] = self.warehouse.query(text).rows
        return row

    def keys(self, statement: str, **values: Value) -> tuple[str, ...]:
        """Up to ten keys of the rows that statement gives; masked key columns masked."""
        text = STATEMENTS.render(
            f"quality/{statement}", relation=self.relation.ident, live=self.relation.live, keys=self.key_list, **values
        )
        with closing(self.warehouse.batches(text, SAMPLES)) as batches:
            for batch in batches:
                rows = batch.slice(0, SAMPLES).to_pylist()
                return tuple(key_text(self.spec, tuple(row.values())) for row in rows)
        return ()

    @cached_property
    def key_names(self) -> tuple[str, ...]:
        return self.spec.key_targets or ("_hashdiff",)

    @cached_property
    def key_list(self) -> Fragment:
        return Fragment(", ".join(f"r.{ansi_quote(name)}" for name in self.key_names))

    @cached_property
    def outer_keys(self) -> Fragment:
        """The keys as a statement around a subselect `s` names them."""
        return Fragment(", ".join(f"s.{ansi_quote(name)}" for name in self.key_names))

    def was_loaded(self, table: str) -> bool:
        return self.warehouse.state(table).last_applied_seq > 0

    def comparable(self, alias: str, column: str, spec: TableSpec | None = None) -> str:
        """A column as the source compares it: OpenEdge ignores case and trailing blanks of text."""
        types = self.types if spec is None else dict(spec.target_columns)
        quoted = f"{alias}.{ansi_quote(column)}"
        return f"LOWER(RTRIM({quoted}))" if self.loose_text and column in types and types[column].is_text else quoted


def key_text(spec: TableSpec, values: tuple[object, ...]) -> str:
    """A key as people read it, its masked columns hidden; of a table without a key the start of the row's hash."""
    if not spec.primary_key:
        [value] = values
        return value.hex()[:16] if isinstance(value, bytes) else str(value)
    columns = [spec.column(key) for key in spec.primary_key]
    shown = [MASKED if column.mask and value is not None else str(value) for column, value in zip(columns, values, strict=True)]
    return ", ".join(shown)
