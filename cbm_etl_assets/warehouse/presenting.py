"""What people see of a table: views under business names, labels as comments; rendered from `sql/<dialect>/views/`.

Owns which views there are and what they show. A dialect owns the statements and runs them.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from cbm_etl_assets.errors import TransientWarehouseError, WarehouseError
from cbm_etl_assets.metadata.business import IS_CURRENT, UPDATED_AT, VALID_FROM, VALID_TO, business_names, descriptions
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.warehouse.port import QueryResult
from cbm_etl_assets.warehouse.sql import Fragment, Statements, Value

_log = logging.getLogger(__name__)
SHOWN_BYTES = 128  # SQL Server's names; a report's column header is shorter by far
_NAMES = {"updated_at": UPDATED_AT, "valid_from": VALID_FROM, "valid_to": VALID_TO, "is_current": IS_CURRENT}


@dataclass(frozen=True)
class View:
    """`template`: current (live rows, no technical column but when a row was last written) or history (every version and its validity)."""

    template: str
    schema: str
    name: str
    table: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Step:
    """One statement: a template and what fills it."""

    name: str
    values: Mapping[str, Value]

    def text(self, statements: Statements) -> str:
        return statements.render(self.name, **self.values)


@runtime_checkable
class Presents(Protocol):
    """A warehouse that shows its tables to people."""

    def script(self, views: Sequence[View]) -> list[str]:
        """The statements of `present`, one a text, for whoever may run them."""
        ...

    def present(self, views: Sequence[View]) -> None:
        """Make these views, or make them anew, in one transaction. Raises: WarehouseError."""
        ...

    def withdraw(self, views: Sequence[View]) -> None:
        """Drop these views, where they are there."""
        ...

    def describe(self, spec: TableSpec) -> int:
        """Labels and descriptions of the spec beside the table and its columns. Returns how many changed."""
        ...


class Presenting(ABC):
    """Implements `Presents` for a dialect that says how its steps are run."""

    _statements: Statements
    _drops_first: ClassVar[bool] = False

    @abstractmethod
    def query(self, sql: str, parameters: Sequence[object] = ()) -> QueryResult: ...

    @abstractmethod
    def _run_steps(self, steps: Sequence[Step]) -> None:
        """All of them or none."""

    def _schema_step(self, schema: str) -> Step:
        ident = self._statements.ident(schema)
        return Step("views/schema", {"schema": ident, "schema_text": Fragment(literal(str(ident)))})

    def script(self, views: Sequence[View]) -> list[str]:
        return [step.text(self._statements) for step in self._present_steps(views)]

    def present(self, views: Sequence[View]) -> None:
        self._run_steps(self._present_steps(views))

    def withdraw(self, views: Sequence[View]) -> None:
        self._run_steps([drop_step(self._statements, view) for view in views])

    def describe(self, spec: TableSpec) -> int:
        known = self.query(self._statements.render("views/comments"), [spec.name, spec.name]).rows
        steps = list(comment_steps(self._statements, spec, known))
        if steps:
            self._run_steps(steps)
        return len(steps)

    def describe_or_warn(self, spec: TableSpec) -> None:
        """After a load. Labels beside the columns help people; a login that may not write them loads all the same."""
        try:
            self.describe(spec)
        except (WarehouseError, TransientWarehouseError) as error:
            _log.warning("Table '%s' is loaded; its descriptions were not written: %s", spec.name, error.message)

    def _present_steps(self, views: Sequence[View]) -> list[Step]:
        schemas = dict.fromkeys(view.schema for view in views)
        made = [step for view in views for step in create_steps(self._statements, view, drops_first=self._drops_first)]
        return [*map(self._schema_step, schemas), *made]


def views_of(spec: TableSpec, schema: str, max_bytes: int) -> list[View]:
    columns = tuple(business_names(spec, min(max_bytes, SHOWN_BYTES)))
    current = View("current", schema, f"v_{spec.name}", spec.name, columns)
    if not spec.history:
        return [current]
    return [current, View("history", schema, f"v_{spec.name}_history", f"{spec.name}_history", columns)]


def create_steps(statements: Statements, view: View, *, drops_first: bool) -> Iterator[Step]:
    """`drops_first`: where CREATE OR REPLACE may not rename a column."""
    if drops_first:
        yield drop_step(statements, view)
    listed = ",\n    ".join(f"{statements.quote(column)} AS {statements.quote(shown)}" for column, shown in view.columns)
    names = {key: statements.ident(name) for key, name in _NAMES.items()}
    values: dict[str, Value] = {"view": _view(statements, view), "target": statements.ident("ods", view.table), "listed": Fragment(listed)}
    yield Step(f"views/{view.template}", values | names)


def drop_step(statements: Statements, view: View) -> Step:
    return Step("views/drop", {"view": _view(statements, view)})


def _view(statements: Statements, view: View) -> Value:
    return statements.ident(view.schema, view.name)


def comment_steps(statements: Statements, spec: TableSpec, known: Sequence[Sequence[object]]) -> Iterator[Step]:
    """`known`: (column or '', comment) as they stand, of what exists. Only what changed is written."""
    held = {str(name): str(text) for name, text in known}
    target = statements.ident("ods", spec.name)
    for column, text in descriptions(spec):
        if column in held and held[column] != text:
            values: dict[str, Value] = {"target": target, "comment": Fragment(literal(text))}
            if column:
                yield Step("views/comment_column", values | {"column": statements.ident(column)})
            else:
                yield Step("views/comment_table", values)


def literal(text: str) -> str:
    """A text inside DDL, which takes no parameters."""
    return "'" + text.replace("'", "''") + "'"


def refused(error: Exception) -> WarehouseError:
    """A view or comment the database would not have."""
    return WarehouseError(f"The warehouse refused it: {error}", remedy="check that the table is loaded and the login may write there")
