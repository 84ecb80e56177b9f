"""The old pipeline's `etl` and `config` objects where ours are to stand: moved aside whole, its run log carried over.

Owns which objects collide and what is copied. Tables keep every row in `etl_old` and `config_old` (SQLite: `<name>_old`).
The old log wrote a 'started' row and an end row for each load, ours has one row a load, so each pair becomes one row of mode
'legacy', which counts in no freshness. Source of the old names: docs/operations.md, "Coming from CBM_ETL".
"""

from __future__ import annotations

from cbm_etl_assets.control.database import Row, Session
from cbm_etl_assets.control.sql import DbObject, own_objects, rendered, script

LOG = "ETL_Log"
LOG_COLUMNS = frozenset({"runid", "tablename", "logts", "status"})


def move_aside(session: Session, dialect: str, schema: str) -> list[str]:
    """Move what stands where our own objects of that schema will. Returns the names moved, tables last."""
    rows = session.rows(script(dialect, "old_objects")[0], {"schema_name": schema})
    there = {_first(row).lower() for row in rows}
    # Views first: they read the tables. The names are ours, from our own SQL files, never the database's.
    found = sorted((o for o in own_objects(dialect) if o.schema == schema and o.name.lower() in there), key=lambda o: o.kind != "view")
    for sql in script(dialect, f"old_schema_{schema}") if found else ():
        session.execute(sql)
    for one in found:
        _move(session, dialect, one)
    return [one.name for one in found]


def carry_log(session: Session, dialect: str) -> None:
    """Copy the old run log into ours, one row a load; nothing where it lacks a column it is known by."""
    columns = {_first(row).lower() for row in session.rows(script(dialect, "old_log_columns")[0])}
    if columns >= LOG_COLUMNS:
        message = "o.ErrorMessage" if "errormessage" in columns else "NULL"
        session.execute(rendered(dialect, "old_log_copy", message=message)[0])


def _move(session: Session, dialect: str, one: DbObject) -> None:
    for sql in rendered(dialect, f"old_move_{one.kind}", schema=one.schema, object=one.name):
        session.execute(sql)


def _first(row: Row) -> str:
    return str(next(iter(row.values())))
