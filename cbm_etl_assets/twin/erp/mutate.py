"""Life at the source: updates, inserts, deletes, late rows and dirty updates, set-based and reproducible.

Owns which rows change and the exact account of them, so that a test can say what an incremental load must bring.
The same (data, Mutation) changes the same rows. Knows nothing of the pipeline.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

from psycopg import Connection, sql

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.twin.erp.blueprint import Blueprint
from cbm_etl_assets.twin.erp.schema import BLUEPRINTS, blueprint, erp_table

Key = tuple[Any, ...]
_ROLES = ("updated", "late", "dirty", "deleted", "inserted")
# What makes a copied row a new one; p.pick counts from 1. The other columns are those of the row it was copied from.
_NEW: dict[str, dict[str, LiteralString]] = {
    "client": {"cod_cli": "(SELECT max(cod_cli) FROM pub.client) + p.pick"},
    "fournis": {"cod_fou": "(SELECT max(cod_fou) FROM pub.fournis) + p.pick"},
    "produit": {"cod_pro": "'P' || lpad(((SELECT max(substr(cod_pro, 2)::bigint) FROM pub.produit) + p.pick)::text, 7, '0')"},
    "entetcli": {
        "no_cde": "(SELECT max(no_cde) FROM pub.entetcli) + p.pick",
        "uniq_id": "(SELECT max(uniq_id) FROM pub.entetcli) + p.pick",
    },
    "lignecli": {
        "uniq_id": "(SELECT max(uniq_id) FROM pub.lignecli) + p.pick",
        "no_lig": "(SELECT max(l.no_lig) FROM pub.lignecli l WHERE l.no_cde = t.no_cde) + p.pick",
    },
    "stock": {"cod_dep": "(SELECT max(cod_dep) FROM pub.stock) + p.pick"},
    # Seconds later by p.pick: two prices of one product on one day differ by their time only.
    "hisprixa": {"hr_mod": "to_char((t.hr_mod::time + make_interval(secs => p.pick)), 'HH24:MI:SS')"},
}


@dataclass(frozen=True)
class Mutation:
    """How much changes: percents of the rows of each table; `late_rows` and `dirty` are rows a table.

    Late rows are updates stamped the day before `now`: behind a watermark that has seen today, within a lookback of a day.
    Dirty updates are delivered to readers and taken back by `MutationReport.undo`. Deletes are off by default.
    """

    percent: float = 1.0
    inserts: float = 0.1
    deletes: float = 0.0
    late_rows: int = 0
    dirty: int = 0
    seed: int = 1

    def amounts(self, rows: int) -> dict[str, int]:
        """Rows by role; any percent above 0 touches at least one row. Raises: ConfigurationError when the table is too small."""
        wanted = {
            "updated": _part(rows, self.percent),
            "late": self.late_rows,
            "dirty": self.dirty,
            "deleted": _part(rows, self.deletes),
            "inserted": _part(rows, self.inserts),
        }
        if sum(wanted.values()) > rows:
            raise ConfigurationError(f"A mutation of {sum(wanted.values())} rows does not fit {rows} rows: each row plays one part.")
        return wanted


@dataclass(frozen=True)
class TableMutation:
    """The exact keys, by what happened to them. Inserted keys are the new ones."""

    table: str
    updated: frozenset[Key] = frozenset()
    late: frozenset[Key] = frozenset()
    dirty: frozenset[Key] = frozenset()
    deleted: frozenset[Key] = frozenset()
    inserted: frozenset[Key] = frozenset()

    @property
    def changed(self) -> frozenset[Key]:
        """Keys whose row a load must write: new or different (dirty ones until they are undone)."""
        return self.updated | self.late | self.dirty | self.inserted

    def counts(self) -> dict[str, int]:
        return {role: len(getattr(self, role)) for role in _ROLES}


@dataclass(frozen=True)
class _Undo:
    statement: sql.Composed
    rows: list[Key]


@dataclass(frozen=True)
class MutationReport:
    now: dt.datetime
    tables: dict[str, TableMutation]
    undos: tuple[_Undo, ...] = field(default=(), repr=False)

    def undo(self, conn: Connection[Any]) -> int:
        """Rolls the dirty updates back, cursor included, and returns how many rows."""
        for step in self.undos:
            with conn.transaction(), conn.cursor() as cursor:
                cursor.executemany(step.statement, step.rows)
        conn.commit()
        return sum(len(step.rows) for step in self.undos)


def mutate(conn: Connection[Any], what: Mutation, *, now: dt.datetime, tables: Sequence[str] | None = None) -> MutationReport:
    """Changes every named table (all seven by default), each in one committed transaction; `now` is naive source time.

    Raises: UnknownTableError; ConfigurationError when the amounts do not fit a table.
    """
    done: dict[str, TableMutation] = {}
    undos: list[_Undo] = []
    for plan in [blueprint(name) for name in (tables or BLUEPRINTS)]:
        with conn.transaction():
            work = _Work(conn, plan, now)
            work.pick(what)
            undos += work.remember_dirty()
            keys = {role: work.update(role) for role in ("updated", "late", "dirty")}
            keys["inserted"] = work.insert()
            keys["deleted"] = work.delete()
            done[plan.name] = TableMutation(plan.name, **keys)
            conn.execute("DROP TABLE cbm_picked")
    conn.commit()
    return MutationReport(now, done, tuple(undos))


def _part(rows: int, percent: float) -> int:
    return max(1, round(rows * percent / 100)) if percent > 0 else 0


class _Work:
    """One table being mutated; the chosen keys and their roles stand in the temporary table cbm_picked."""

    def __init__(self, conn: Connection[Any], plan: Blueprint, now: dt.datetime) -> None:
        self.conn, self.plan, self.now = conn, plan, now
        self.table = sql.SQL("pub.{}").format(sql.Identifier(plan.name))
        self.keys = sql.SQL(", ").join(map(sql.Identifier, plan.key))
        self.same_key = sql.SQL(" AND ").join(sql.SQL("t.{0} = p.{0}").format(sql.Identifier(k)) for k in plan.key)

    def pick(self, what: Mutation) -> None:
        found = self.conn.execute(sql.SQL("SELECT count(*) FROM {}").format(self.table)).fetchone()
        amounts = what.amounts(found[0] if found else 0)
        roles = [role for role in _ROLES for _ in range(amounts[role])]
        self.conn.execute(
            sql.SQL(
                "CREATE TEMP TABLE cbm_picked AS SELECT {keys}, pick::int AS pick, ''::text AS role FROM (SELECT {keys}, row_number() OVER"
                " (ORDER BY hashtextextended(concat_ws('|', {keys}), {seed}), {keys}) AS pick FROM {table}) s WHERE pick <= {total}"
            ).format(keys=self.keys, seed=sql.Literal(what.seed), table=self.table, total=sql.Literal(len(roles)))
        )
        first = 1
        for role in _ROLES:
            self.conn.execute(
                "UPDATE cbm_picked SET role = %s, pick = pick - %s + 1 WHERE pick BETWEEN %s AND %s AND role = ''",
                (role, first, first, first + amounts[role] - 1),
            )
            first += amounts[role]

    def update(self, role: str) -> frozenset[Key]:
        if role == "late" and self.plan.modified is None:
            return frozenset()
        changes = sql.SQL(", ").join([*self._changes(), *self._stamps(role)])
        return self._run(
            sql.SQL("UPDATE {table} t SET {changes} FROM cbm_picked p WHERE {same} AND p.role = {role} RETURNING {keys}").format(
                table=self.table, changes=changes, same=self.same_key, role=sql.Literal(role), keys=self._returned()
            )
        )

    def _changes(self) -> Iterator[sql.Composed]:
        """The first business column always changes, the second on every other row, the third on every third."""
        schema = erp_table(self.plan.name)
        for nth, name in enumerate(self.plan.changes, start=1):
            column = schema.column(name)
            form: LiteralString = "{c} = coalesce(t.{c}, 0) + (p.pick % {n} = 0)::int"
            if column is not None and column.type.kind is Kind.BOOLEAN:
                form = "{c} = (coalesce(t.{c}, false) <> (p.pick % {n} = 0))"
            yield sql.SQL(form).format(c=sql.Identifier(name), n=sql.Literal(nth))

    def _stamps(self, role: str) -> Iterator[sql.Composed]:
        moment = self.now if role != "late" else dt.datetime.combine(self.now.date() - dt.timedelta(days=1), dt.time(23, 59))
        if self.plan.modified:
            yield sql.SQL("{} = {}").format(sql.Identifier(self.plan.modified), sql.Literal(moment.date()))
        if self.plan.clock:
            yield sql.SQL("{} = {}").format(sql.Identifier(self.plan.clock), self._clock(moment))

    def _clock(self, moment: dt.datetime) -> sql.Literal:
        column = erp_table(self.plan.name).column(self.plan.clock or "")
        if column is not None and column.type.is_text:
            return sql.Literal(f"{moment:%H:%M:%S}")
        return sql.Literal(moment.hour * 3600 + moment.minute * 60 + moment.second)

    def insert(self) -> frozenset[Key]:
        new: dict[str, sql.Composable] = {c: sql.SQL(text) for c, text in _NEW[self.plan.name].items()}
        if self.plan.modified:
            new[self.plan.modified] = sql.SQL("NULL")
        if self.plan.created:
            new[self.plan.created] = sql.Literal(self.now.date())
        if self.plan.clock:
            new[self.plan.clock] = self._clock(self.now)
        names = [c.name for c in erp_table(self.plan.name).columns]
        values = [new.get(n) or sql.SQL("t.{}").format(sql.Identifier(n)) for n in names]
        # hisprixa may already have that second of that product: such a row is not inserted and not reported.
        return self._run(
            sql.SQL(
                "INSERT INTO {table} AS i ({names}) SELECT {values} FROM {table} t JOIN cbm_picked p ON {same} WHERE p.role = 'inserted'"
                " ON CONFLICT DO NOTHING RETURNING {keys}"
            ).format(
                table=self.table,
                names=sql.SQL(", ").join(map(sql.Identifier, names)),
                values=sql.SQL(", ").join(values),
                same=self.same_key,
                keys=self._returned("i"),
            )
        )

    def delete(self) -> frozenset[Key]:
        return self._run(
            sql.SQL("DELETE FROM {table} t USING cbm_picked p WHERE {same} AND p.role = 'deleted' RETURNING {keys}").format(
                table=self.table, same=self.same_key, keys=self._returned()
            )
        )

    def remember_dirty(self) -> list[_Undo]:
        """The old values of the rows about to be dirtied, and the statement that writes them back."""
        names = [*self.plan.changes, *filter(None, (self.plan.modified, self.plan.clock))]
        columns = [*names, *self.plan.key]
        rows = self.conn.execute(
            sql.SQL("SELECT {} FROM {} t JOIN cbm_picked p ON {} WHERE p.role = 'dirty'").format(
                sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(c)) for c in columns), self.table, self.same_key
            )
        ).fetchall()
        statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(
            self.table,
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(n)) for n in names),
            sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(k)) for k in self.plan.key),
        )
        return [_Undo(statement, rows)] if rows else []

    def _returned(self, alias: LiteralString = "t") -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(k)) for k in self.plan.key)

    def _run(self, statement: sql.Composed) -> frozenset[Key]:
        return frozenset(tuple(row) for row in self.conn.execute(statement).fetchall())
