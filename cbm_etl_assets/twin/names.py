"""The twin's tables and columns as the proxy resolves them: without case, with SQL widths, with over-width columns.

Owns the snapshot of the catalogue, when it is stale, and the scan that finds which columns hold over-width values.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from cbm_etl_assets.twin.tokens import quote

_SNAPSHOT = """
SELECT n.nspname, c.relname, c.oid::bigint, a.attnum, a.attname, t.typname, k.char_width
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('pub', 'sysprogress')
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN (cbm_twin.columns k JOIN cbm_twin.tables kt ON kt.id = k.table_id)
  ON n.nspname = 'pub' AND kt.name = c.relname AND k.name = a.attname
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') ORDER BY c.oid, a.attnum"""
# RowShare: SELECT FOR UPDATE; RowExclusive: a write not yet committed.
_HELD = """
SELECT count(*) FROM pg_catalog.pg_locks
WHERE relation = ANY(%s) AND granted AND mode IN ('RowShareLock', 'RowExclusiveLock')"""
_LOCK_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Column:
    """`width` is the SQL width in characters, None where the type has none. `folded`: a name in the catalogue, compared
    without case as OpenEdge compares every text by default."""

    name: str
    type: str
    width: int | None = None
    folded: bool = False

    @property
    def quoted(self) -> str:
        return quote(self.name)


@dataclass
class Relation:
    """A table or view; `columns` by lower-case name. `oid` 0 = a derived table of the statement itself."""

    schema: str
    name: str
    oid: int = 0
    columns: dict[str, Column] = field(default_factory=dict)
    by_number: dict[int, Column] = field(default_factory=dict)

    @property
    def quoted(self) -> str:
        return f"{self.schema}.{quote(self.name)}" if self.schema else quote(self.name)

    @property
    def widths(self) -> dict[str, int]:
        return {key: c.width for key, c in self.columns.items() if c.width}


class Names:
    """The snapshot. One connection, used by one statement at a time."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._conn: psycopg.Connection[Any] | None = None
        self._lock = asyncio.Lock()
        self._version: object = None
        self._over_width: dict[int, tuple[int, frozenset[str]]] = {}
        self.relations: dict[tuple[str, str], Relation] = {}
        self.by_oid: dict[int, Relation] = {}

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()

    async def refresh(self, *, force: bool = False) -> None:
        """Reads the catalogue again when a table has been created or replaced since, or when told to."""
        async with self._lock:
            await asyncio.to_thread(self._refresh, force)

    async def over_width(self, relations: Collection[Relation]) -> dict[int, frozenset[str]]:
        """By oid, the columns (lower case) in which some row holds a text longer than its SQL width."""
        wanted = [r for r in relations if r.oid and r.widths]
        async with self._lock:
            return await asyncio.to_thread(self._over_width_of, wanted)

    async def held(self, relations: Collection[Relation], wait_seconds: float = 0.0) -> bool:
        """Whether another session holds record locks in one of the tables, still so after `wait_seconds`."""
        oids = [r.oid for r in relations if r.oid]
        until = self._clock() + wait_seconds
        while True:
            async with self._lock:
                row = await asyncio.to_thread(self._row, _HELD, (oids,))
            if not row[0] or self._clock() >= until:
                return bool(row[0])
            await asyncio.sleep(_LOCK_POLL_SECONDS)

    def _row(self, query: Any, parameters: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        return self._open().execute(query, parameters or None).fetchone() or ()

    def _open(self) -> psycopg.Connection[Any]:
        if self._conn is None or self._conn.broken:
            self._conn = self._connect()
        return self._conn

    def _refresh(self, force: bool) -> None:
        version = self._row("SELECT coalesce(max(id), 0), count(*) FROM cbm_twin.tables")
        if version == self._version and not force:
            return
        relations: dict[tuple[str, str], Relation] = {}
        for schema, name, oid, number, column, type_name, width in self._open().execute(_SNAPSHOT).fetchall():
            relation = relations.setdefault((schema, name.lower()), Relation(schema, name, oid))
            folded = type_name == "varchar" and (schema == "sysprogress" or name.startswith("_"))
            relation.columns[column.lower()] = relation.by_number[number] = Column(column, type_name, width, folded)
        self.relations, self._version = relations, version
        self.by_oid = {r.oid: r for r in relations.values()}

    def _over_width_of(self, relations: list[Relation]) -> dict[int, frozenset[str]]:
        found: dict[int, frozenset[str]] = {}
        for relation in relations:
            # Counted before the scan: a write in between makes the count stale, never the finding.
            (writes,) = self._row("SELECT count(*) FROM cbm_twin.touched WHERE table_name = %s", (relation.name,))
            known = self._over_width.get(relation.oid)
            if known is None or known[0] != writes:
                known = self._over_width[relation.oid] = (writes, self._scan(relation))
            found[relation.oid] = known[1]
        return found

    def _scan(self, relation: Relation) -> frozenset[str]:
        """octet_length first: it is O(1), and a text of few bytes cannot have many characters."""
        widths = list(relation.widths.items())
        tests = [
            sql.SQL("bool_or(octet_length({0}) > {1} AND length({0}) > {1})").format(sql.Identifier(relation.columns[key].name), width)
            for key, width in widths
        ]
        table = sql.Identifier(relation.schema, relation.name)
        row = self._row(sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(tests), table))
        return frozenset(key for (key, _), over in zip(widths, row, strict=True) if over)
