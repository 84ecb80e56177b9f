"""Migrations of the control database: numbered SQL files, each in one transaction with the version row it writes.

Owns order, idempotence and the race of several processes that start at once. The SQL is in `sql/control/<dialect>/`.
What an older pipeline left under our names is moved aside by `control.adopt` in the transaction of the first migration.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from cbm_etl_assets.control.adopt import LOG, carry_log, move_aside
from cbm_etl_assets.control.database import Database, Session
from cbm_etl_assets.control.sql import migrations, script, statement
from cbm_etl_assets.errors import ControlError, TransientControlError

_ATTEMPTS = 5  # a unique violation between two first starts is over after one more look


@dataclass(frozen=True)
class SchemaStatus:
    """`version` 0 = nothing there yet. `pending`: names of the migrations an upgrade would apply, in order."""

    schema: str
    version: int
    newest: int
    pending: tuple[str, ...]


def status(database: Database) -> list[SchemaStatus]:
    """Reads only. Raises: ConfigurationError for an unknown dialect."""
    known, applied = migrations(database.dialect), _applied(database)
    return [
        SchemaStatus(
            schema, applied.get(schema, 0), max(number for other, number, _ in known if other == schema),
            tuple(name for other, number, name in known if other == schema and number > applied.get(schema, 0)),
        )
        for schema in ("etl", "config")
    ]  # fmt: skip


def upgrade(database: Database, now: Callable[[], dt.datetime], *, allowed: bool = True) -> list[str]:
    """Bring the database to the newest version. Returns the names applied, none when it was there already.

    `allowed` False: a database that lacks a migration is refused with the command that applies it.

    Raises: ControlError when the database is newer than this program, ConfigurationError for an unknown dialect.
    """
    known = migrations(database.dialect)
    applied = _applied(database)
    _refuse_newer(applied, known)
    pending = [migration for migration in known if migration[1] > applied.get(migration[0], 0)]
    if pending and not allowed:
        raise ControlError(
            f"The control database lacks {len(pending)} migrations ({pending[0][2]} ...) and CBM_CONTROL__AUTO_UPGRADE is off.",
            remedy="run `cbm-etl db upgrade` under a login that may create tables",
        )
    return [migration[2] for migration in pending if _apply_one(database, migration, now)]


def _applied(database: Database) -> dict[str, int]:
    try:
        return {schema: _version(database.read(statement(f"version_{schema}"))) for schema in ("etl", "config")}
    except ControlError:
        # No version table yet. Anything else that is wrong comes back, with its reason, when the baseline is written.
        return {}


def _version(rows: list[dict[str, object]]) -> int:
    value = rows[0]["Version"] if rows else None
    return value if isinstance(value, int) else 0


def _refuse_newer(applied: dict[str, int], known: list[tuple[str, int, str]]) -> None:
    for schema, version in applied.items():
        newest = max(number for other, number, _ in known if other == schema)
        if version > newest:
            raise ControlError(
                f"The control database is newer than this program: schema {schema} is at version {version}, known up to {newest}.",
                remedy="install the newer cbm_etl_assets, or point CBM_CONTROL__URL / CBM_HOME to another control database",
            )


def _apply_one(database: Database, migration: tuple[str, int, str], now: Callable[[], dt.datetime]) -> bool:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with database.transaction() as session:
                return _apply(session, database.dialect, migration, now())
        except TransientControlError:
            if attempt == _ATTEMPTS:
                raise
    return False


def _apply(session: Session, dialect: str, migration: tuple[str, int, str], applied: dt.datetime) -> bool:
    schema, number, name = migration
    for sql in [*script(dialect, "migration_lock"), *script(dialect, "baseline")]:
        session.execute(sql)
    version = _version(session.rows(statement(f"version_{schema}")))
    if version >= number:
        return False  # another process was first
    moved = [] if version else move_aside(session, dialect, schema)
    for sql in script(dialect, name):
        session.execute(sql)
    if LOG in moved:
        carry_log(session, dialect)
    session.execute(statement(f"version_{schema}_add"), {"version": number, "name": name, "applied": applied})
    return True
