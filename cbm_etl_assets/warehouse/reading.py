"""The platform's own questions to a warehouse, the same for every dialect: what is rendered from `sql/<dialect>/read/`.

Owns the choice of columns and order. A dialect owns the statements, the placeholders in them and how they are run.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.warehouse.port import QueryResult
from cbm_etl_assets.warehouse.sql import Statements

if TYPE_CHECKING:
    import pyarrow as pa

KEY_HASH = "_key_hash"
HISTORY_STAMPS, CURRENT_STAMPS = ("_valid_from", "_valid_to"), ("_is_deleted", "_deleted_at")


class Reading(ABC):
    """Base of a dialect's warehouse: the reading half of `warehouse.port.Warehouse`, on top of its three doors."""

    _statements: Statements

    @abstractmethod
    def query(self, sql: str, parameters: Sequence[object] = ()) -> QueryResult: ...

    @abstractmethod
    def arrow(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table: ...

    @abstractmethod
    def batches(self, sql: str, batch_rows: int) -> Generator[pa.RecordBatch]: ...

    def columns(self, table: str) -> dict[str, str]:
        return {str(name): str(kind) for name, kind in self.query(self._statements.render("read/columns"), [table]).rows}

    def schema(self, table: str, columns: Sequence[str]) -> pa.Schema:
        return self.arrow(self._listed("read/none", table, columns)).schema

    def live(self, table: str, columns: Sequence[str], batch_rows: int) -> Generator[pa.RecordBatch]:
        return self.batches(self._listed("read/live", table, columns), batch_rows)

    def rows(self, table: str, columns: Sequence[str], batch_rows: int) -> Generator[pa.RecordBatch]:
        return self.batches(self._listed("read/rows", table, columns), batch_rows)

    def versions(self, spec: TableSpec, key_hash: bytes) -> QueryResult:
        table, stamps = (f"{spec.name}_history", HISTORY_STAMPS) if spec.history else (spec.name, CURRENT_STAMPS)
        order = "_valid_from" if spec.history else "_load_seq"
        names = self._statements.names
        text = self._statements.render(
            "read/versions", target=self._statements.ident("ods", table), columns=names([n for n, _ in spec.target_columns]),
            stamps=names(stamps), order=names([order]),
        )  # fmt: skip
        return self.query(text, [key_hash])

    def as_of(self, spec: TableSpec, moment: dt.datetime) -> QueryResult:
        names = self._statements.names
        text = self._statements.render(
            "read/as_of", target=self._statements.ident("ods", f"{spec.name}_history"),
            columns=names([n for n, _ in spec.target_columns]), order=names(spec.key_targets or [KEY_HASH]),
        )  # fmt: skip
        return self.query(text, [moment, moment])

    def left_over(self) -> list[str]:
        return [str(row[0]) for row in self.query(self._statements.render("read/left_over")).rows]

    def _listed(self, name: str, table: str, columns: Sequence[str]) -> str:
        return self._statements.render(name, target=self._statements.ident("ods", table), columns=self._statements.names(columns))
