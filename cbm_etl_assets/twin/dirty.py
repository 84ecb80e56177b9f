"""Dirty reads: a change every reader sees and that is rolled back afterwards.

PostgreSQL shows nobody an uncommitted row, so the change is committed and then undone: to a reader at isolation 0 that is the same.
Owns that emulation only. A reader at READ COMMITTED would have waited for the row: order a `lock` fault to see that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, sql


@contextmanager
def dirty_update(conn: Connection[Any], table: str, changes: Mapping[str, Any], key: Mapping[str, Any]) -> Iterator[int]:
    """While inside, the rows of that key hold `changes`; afterwards they hold what they held. Yields: how many rows.

    `conn` must be in autocommit. A row another session has changed meanwhile is left as that session wrote it.
    """
    name = sql.Identifier("pub", table)
    read = sql.SQL("SELECT ctid, {} FROM {} WHERE {}").format(_list(changes), name, _where(key))
    write = sql.SQL("UPDATE {} SET {} WHERE ctid = %s RETURNING ctid").format(name, _assignments(changes))
    before = conn.execute(read, list(key.values())).fetchall()
    now = [(conn.execute(write, [*changes.values(), row[0]]).fetchone(), row[1:]) for row in before]
    try:
        yield len(now)
    finally:
        for place, old in now:
            if place is not None:
                conn.execute(write, [*old, place[0]])


@contextmanager
def dirty_insert(conn: Connection[Any], table: str, values: Mapping[str, Any]) -> Iterator[None]:
    """While inside, the row is there. `conn` must be in autocommit."""
    name = sql.Identifier("pub", table)
    marks = sql.SQL(", ").join([sql.Placeholder()] * len(values))
    insert = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING ctid").format(name, _list(values), marks)
    place = conn.execute(insert, list(values.values())).fetchone()
    try:
        yield
    finally:
        if place is not None:
            conn.execute(sql.SQL("DELETE FROM {} WHERE ctid = %s").format(name), place)


def _list(names: Mapping[str, Any]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(n) for n in names)


def _assignments(names: Mapping[str, Any]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(n)) for n in names)


def _where(key: Mapping[str, Any]) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(n)) for n in key)
