"""Tables of the twin: how a source table is stored in PostgreSQL, and what its catalogue says about it.

Owns `pub.<table>` and the rows of `cbm_twin.{tables,columns,indexes,index_fields}` behind SYSPROGRESS. Character is stored as
text, so a value may be longer than its SQL width, as in OpenEdge; the proxy raises the width error. An array is one text joined
by ';'. Knows nothing of the server's processes or the wire.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import Connection, sql

from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.types import Kind

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

COPY_CELLS = 4_000_000  # one CSV slice: about 40 MB of text, so that a 613-column table stays far below 1 GB
DEFAULT_WIDTH = 60  # an ABL character field without MAX-WIDTH, format x(8) .. x(30)
_INDEXABLE_WIDTH = 600  # a PostgreSQL btree entry holds 2,704 bytes

_SQL_TYPE = {
    Kind.VARCHAR: "varchar", Kind.INTEGER: "integer", Kind.BIGINT: "bigint", Kind.DECIMAL: "numeric", Kind.DOUBLE: "float",
    Kind.BOOLEAN: "bit", Kind.DATE: "date", Kind.TIMESTAMP: "timestamp", Kind.TIMESTAMPTZ: "timestamp_tz", Kind.TIME: "time",
    Kind.BINARY: "varbinary",
}  # fmt: skip
_STORED = {
    Kind.VARCHAR: "text", Kind.INTEGER: "integer", Kind.BIGINT: "bigint", Kind.DOUBLE: "double precision", Kind.BOOLEAN: "boolean",
    Kind.DATE: "date", Kind.TIMESTAMP: "timestamp", Kind.TIMESTAMPTZ: "timestamptz", Kind.TIME: "time", Kind.BINARY: "bytea",
}  # fmt: skip
_WIDTH = {
    Kind.INTEGER: 4, Kind.BIGINT: 8, Kind.DOUBLE: 8, Kind.BOOLEAN: 1, Kind.DATE: 4, Kind.TIMESTAMP: 8, Kind.TIMESTAMPTZ: 12, Kind.TIME: 4,
}  # fmt: skip


def bootstrap(conn: Connection[Any], zone: str) -> None:
    """Creates schemas, metadata tables, functions and catalogue views; running it again changes nothing."""
    template = (Path(__file__).parent / "sql" / "bootstrap.sql").read_text(encoding="utf-8")
    text = template.replace("{zone}", sql.Literal(zone).as_string(conn))
    with conn.transaction():
        conn.execute(text.encode())


def create_table(conn: Connection[Any], table: SourceTable, *, indexes: bool = True) -> None:
    """Creates or replaces `pub.<table>`, its indexes and its catalogue rows, in one transaction."""
    with conn.transaction():
        drop_table(conn, table.name)
        columns = [sql.SQL("{} {}").format(sql.Identifier(c.name), sql.SQL(_stored_type(c))) for c in table.columns]
        conn.execute(sql.SQL("CREATE TABLE pub.{} ({})").format(sql.Identifier(table.name), sql.SQL(", ").join(columns)))
        conn.execute(
            sql.SQL(
                "CREATE TRIGGER cbm_touch AFTER INSERT OR UPDATE ON pub.{} FOR EACH STATEMENT EXECUTE FUNCTION cbm_twin.touch()"
            ).format(sql.Identifier(table.name))
        )
        _describe(conn, table)
        if indexes:
            create_indexes(conn, table)


def alter_table(conn: Connection[Any], table: SourceTable, renamed: Mapping[str, str] | None = None) -> None:
    """Makes the stored columns and the catalogue rows those of `table`; rows stay. `renamed`: old name -> new one.

    A column that goes takes its indexes along; none is made for one that comes.
    """
    name = sql.Identifier(table.name)
    with conn.transaction():
        for old, new in (renamed or {}).items():
            conn.execute(sql.SQL("ALTER TABLE pub.{} RENAME COLUMN {} TO {}").format(name, sql.Identifier(old), sql.Identifier(new)))
        known = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'pub' AND table_name = %s"
        stored = {str(row[0]) for row in conn.execute(known, (table.name,)).fetchall()}
        for gone in sorted(stored - {c.name for c in table.columns}):
            conn.execute(sql.SQL("ALTER TABLE pub.{} DROP COLUMN {}").format(name, sql.Identifier(gone)))
        for column in table.columns:
            parts = {"t": name, "c": sql.Identifier(column.name), "k": sql.SQL(_stored_type(column))}
            retype = sql.SQL("ALTER TABLE pub.{t} ALTER COLUMN {c} TYPE {k} USING {c}::{k}")
            add = sql.SQL("ALTER TABLE pub.{t} ADD COLUMN {c} {k}")
            conn.execute((retype if column.name in stored else add).format(**parts))
        places = _places(conn, table, renamed or {})
        conn.execute("DELETE FROM cbm_twin.tables WHERE lower(name) = lower(%s)", (table.name,))
        _describe(conn, table, places)
        # Widths may be others: the proxy looks again.
        conn.execute("INSERT INTO cbm_twin.touched VALUES (%s)", (table.name,))


def _places(conn: Connection[Any], table: SourceTable, renamed: Mapping[str, str]) -> list[int]:
    """Each column's number in the record: kept while it lives, a new one beyond all others for a column that comes."""
    known = "SELECT c.name, c.position FROM cbm_twin.columns c JOIN cbm_twin.tables t ON t.id = c.table_id WHERE lower(t.name) = lower(%s)"
    held = {renamed.get(str(name), str(name)): int(place) for name, place in conn.execute(known, (table.name,)).fetchall()}
    highest = max(held.values(), default=0)
    new = [c.name for c in table.columns if c.name not in held]
    return [held[c.name] if c.name in held else highest + 1 + new.index(c.name) for c in table.columns]


def drop_table(conn: Connection[Any], name: str) -> None:
    """Drops the table and its catalogue rows; does nothing when it is not there."""
    with conn.transaction():
        conn.execute(sql.SQL("DROP TABLE IF EXISTS pub.{} CASCADE").format(sql.Identifier(name)))
        conn.execute("DELETE FROM cbm_twin.tables WHERE lower(name) = lower(%s)", (name,))
        conn.execute("DELETE FROM cbm_twin.touched WHERE table_name = %s", (name,))


def create_indexes(conn: Connection[Any], table: SourceTable) -> None:
    """Real indexes for the declared ones; word indexes and over-long texts have no PostgreSQL equivalent and stay catalogue rows."""
    for index in table.indexes:
        if index.word or not index.active or not all(_indexable(table, c) for c in index.columns):
            continue
        digest = hashlib.sha256(f"{table.name}\0{index.name}".encode()).hexdigest()[:8]
        names = [sql.Identifier(column.name) for c in index.columns if (column := table.column(c))]
        what = sql.SQL("UNIQUE INDEX" if index.unique else "INDEX")
        name = sql.Identifier(f"{table.name[:30]}__{digest}")
        conn.execute(sql.SQL("CREATE {} {} ON pub.{} ({})").format(what, name, sql.Identifier(table.name), sql.SQL(", ").join(names)))


def copy_rows(conn: Connection[Any], table: SourceTable, rows: pa.Table | pa.RecordBatch | pl.DataFrame) -> int:
    """Appends rows by COPY and returns how many. Columns are matched by name without case, absent ones stay NULL.

    An array column may come as its text or as a list of elements; binary as bytes.
    """
    import polars as pl

    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(pl.from_arrow(rows))
    present = [(c, found) for c in table.columns if (found := _find(frame.columns, c.name))]
    prepared = frame.select([_csv_expression(frame.schema[found], found).alias(c.name) for c, found in present])
    target = sql.SQL("COPY pub.{} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(table.name), sql.SQL(", ").join(sql.Identifier(c.name) for c, _ in present)
    )
    with conn.transaction(), conn.cursor() as cursor, cursor.copy(target) as copy:
        for piece in _slices(prepared):
            copy.write(piece.write_csv(include_header=False))
    return frame.height


def grant(conn: Connection[Any], role: str) -> None:
    """Lets the replication account read everything, and lock rows (PostgreSQL asks UPDATE for FOR SHARE); the proxy refuses writes."""
    who = sql.Identifier(role)
    with conn.transaction():
        for schema in ("pub", "sysprogress", "cbm_twin"):
            conn.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), who))
            conn.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(sql.Identifier(schema), who))
            conn.execute(
                sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT, UPDATE ON TABLES TO {}").format(sql.Identifier(schema), who)
            )


def _stored_type(column: SourceColumn) -> str:
    if column.extent:
        return "text"
    kind = column.type.kind
    if kind is Kind.DECIMAL:
        return f"numeric({column.type.precision or 38},{column.type.scale or 0})"
    return _STORED[kind]


def char_width(column: SourceColumn) -> int | None:
    """The SQL width in characters above which the server raises; None where the type has no such width."""
    if column.abl_type.lower() == "clob" or not (column.extent or column.type.is_text):
        return None
    return column.sql_width or column.type.width or DEFAULT_WIDTH


def _describe(conn: Connection[Any], table: SourceTable, places: Sequence[int] = ()) -> None:
    row = conn.execute(
        "INSERT INTO cbm_twin.tables (name, label, description, dump_name) VALUES (%s, %s, %s, %s) RETURNING id",
        (table.name, table.label, table.description, table.dump_name),
    ).fetchone()
    table_id = row[0] if row else 0
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO cbm_twin.columns (table_id, position, name, abl_type, sql_type, char_width, width, scale, extent, mandatory,"
            " case_sensitive, display_order, label, description, format)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [(table_id, places[i - 1] if places else i, *_column_row(c, i)) for i, c in enumerate(table.columns, start=1)],
        )
    for index in table.indexes:
        _describe_index(conn, table_id, index)


def _describe_index(conn: Connection[Any], table_id: int, index: SourceIndex) -> None:
    row = conn.execute(
        "INSERT INTO cbm_twin.indexes (table_id, name, is_unique, is_primary, active, word) VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
        (table_id, index.name, index.unique, index.primary, index.active, index.word),
    ).fetchone()
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO cbm_twin.index_fields (index_id, seq, column_id)"
            " SELECT %s, %s, id FROM cbm_twin.columns WHERE table_id = %s AND lower(name) = lower(%s)",
            [(row[0] if row else 0, seq, table_id, name) for seq, name in enumerate(index.columns, start=1)],
        )


def _column_row(column: SourceColumn, position: int) -> tuple[Any, ...]:
    kind, width = column.type.kind, char_width(column)
    abl = column.abl_type or str(kind)
    sql_type = {"blob": "lvarbinary", "clob": "lvarchar"}.get(abl.lower(), "varchar" if column.extent else _SQL_TYPE[kind])
    return (
        column.name, abl, sql_type, width, width or _catalogue_width(column), column.type.scale if kind is Kind.DECIMAL else None,
        column.extent, column.mandatory, column.case_sensitive, column.order or position * 10, column.label, column.description,
        column.format,
    )  # fmt: skip


def _catalogue_width(column: SourceColumn) -> int:
    if column.type.kind is Kind.DECIMAL:
        return column.type.precision or 38
    return _WIDTH.get(column.type.kind) or column.sql_width or column.type.width or 0


def _indexable(table: SourceTable, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.type.kind is not Kind.BINARY and (char_width(column) or 0) <= _INDEXABLE_WIDTH


def _find(names: list[str], wanted: str) -> str | None:
    if wanted in names:
        return wanted
    return next((n for n in names if n.lower() == wanted.lower()), None)


def _slices(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    yield from frame.iter_slices(max(1, COPY_CELLS // max(1, frame.width)))


def _csv_expression(dtype: pl.DataType, name: str) -> pl.Expr:
    import polars as pl

    column = pl.col(name)
    if isinstance(dtype, pl.List | pl.Array):
        return _extent_expression(column.cast(pl.List(dtype.inner)), dtype.inner)
    if dtype == pl.Binary:
        return pl.lit("\\x") + column.bin.encode("hex")
    return column


def _extent_expression(column: pl.Expr, inner: Any) -> pl.Expr:
    """The set-based twin of `metadata.extents.extent_text`; decimals without trailing zeros, as the server prints them."""
    import polars as pl

    element = pl.element().cast(pl.Int8) if inner == pl.Boolean else pl.element()
    text = element.cast(pl.String)
    if inner.is_decimal():
        text = text.str.replace(r"(\.\d*?)0+$", "$1").str.strip_suffix(".")
    for special in "~;?":
        text = text.str.replace_all(special, f"~{special}", literal=True)
    return column.list.eval(text.fill_null("?")).list.join(";")
