"""Table descriptions out of an OpenEdge catalogue: SYSPROGRESS for names, the schema tables of PUB for everything else.

Owns those statements and their reading. SYSINDEXES has no unique or primary flag and SYSCOLUMNS no extent or ABL type, so
columns and indexes come from `_File`, `_Field`, `_Index` and `_Index-Field`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cbm_etl_assets.errors import SourceSchemaError
from cbm_etl_assets.metadata.abl import logical_type, sql_width
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable

if TYPE_CHECKING:
    import pyarrow as pa

Query = Callable[[str, Sequence[object]], "pa.Table"]

_TABLES = "SELECT tbl FROM SYSPROGRESS.SYSTABLES WHERE owner = ? AND tbltype = 'T' ORDER BY tbl"

_FILE = (
    'SELECT t."_File-Name" AS name, t."_File-Label" AS label, t."_Desc" AS description, t."_Dump-name" AS dump_name '
    'FROM PUB."_File" t WHERE t."_Owner" = ? AND t."_File-Name" = ?'
)

_FIELDS = (
    'SELECT f."_Field-Name" AS name, f."_Data-Type" AS abl, f."_Extent" AS extent, f."_Decimals" AS decimals, f."_Width" AS width, '
    'f."_Mandatory" AS mandatory, f."_Fld-case" AS case_sensitive, f."_Order" AS display_order, f."_Label" AS label, '
    'f."_Desc" AS description, f."_Format" AS format, f."_Field-rpos" AS place '
    'FROM PUB."_Field" f, PUB."_File" t '
    'WHERE f."_File-recid" = t.rowid AND t."_Owner" = ? AND t."_File-Name" = ? ORDER BY f."_Order"'
)

_INDEXES = (
    'SELECT i."_Index-Name" AS name, i."_Unique" AS is_unique, i."_Active" AS active, i."_Wordidx" AS word, '
    'i.rowid AS index_id, t."_Prime-Index" AS prime_id, x."_Index-Seq" AS seq, f."_Field-Name" AS field '
    'FROM PUB."_File" t, PUB."_Index" i, PUB."_Index-Field" x, PUB."_Field" f '
    'WHERE i."_File-recid" = t.rowid AND x."_Index-recid" = i.rowid AND x."_Field-recid" = f.rowid '
    'AND t."_Owner" = ? AND t."_File-Name" = ? ORDER BY i."_Index-Name", x."_Index-Seq"'
)


def table_names(query: Query, schema: str) -> list[str]:
    return [str(name) for name in query(_TABLES, [schema]).column(0).to_pylist()]


def describe_table(query: Query, schema: str, table: str) -> SourceTable:
    """Raises: SourceSchemaError naming the known tables."""
    files = _rows(query(_FILE, [schema, table]))
    if not files:
        known = table_names(query, schema)
        same = next((k for k in known if k.lower() == table.lower() and k != table), None)
        if same:  # OpenEdge names have no case; a server that compares them with case gets the stored spelling
            return describe_table(query, schema, same)
        raise SourceSchemaError(f"Table '{table}' is not in schema {schema} of the source. Known: {', '.join(known) or 'none'}.")
    head = files[0]
    return SourceTable(
        name=str(head["name"]),
        columns=tuple(_column(r) for r in _rows(query(_FIELDS, [schema, head["name"]]))),
        indexes=tuple(_indexes(_rows(query(_INDEXES, [schema, head["name"]])))),
        schema=schema,
        label=head["label"] or "",
        description=head["description"] or "",
        dump_name=head["dump_name"] or "",
    )


def describe_columns(query: Query, schema: str, table: str) -> SourceTable:
    """The columns only: one statement. Raises: as describe_table, which is asked when the table does not answer to that name."""
    columns = tuple(_column(r) for r in _rows(query(_FIELDS, [schema, table])))
    return SourceTable(name=table, columns=columns, schema=schema) if columns else describe_table(query, schema, table)


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _column(row: dict[str, Any]) -> SourceColumn:
    abl, extent, width = str(row["abl"]).strip().lower(), row["extent"] or 0, row["width"]
    return SourceColumn(
        name=str(row["name"]),
        type=logical_type(abl, width, row["decimals"], extent),
        abl_type=abl,
        extent=extent,
        mandatory=_flag(row["mandatory"]),
        case_sensitive=_flag(row["case_sensitive"]),
        sql_width=sql_width(abl, width, extent),
        order=row["display_order"] or 0,
        label=row["label"] or "",
        description=row["description"] or "",
        format=row["format"] or "",
        place=row["place"] or 0,
    )


def _indexes(rows: list[dict[str, Any]]) -> list[SourceIndex]:
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(str(row["name"]), []).append(row)
    return [
        SourceIndex(
            name=name,
            columns=tuple(str(r["field"]) for r in parts),
            unique=_flag(parts[0]["is_unique"]),
            primary=str(parts[0]["index_id"]) == str(parts[0]["prime_id"]),
            active=_flag(parts[0]["active"]),
            word=bool(parts[0]["word"]),
        )
        for name, parts in by_name.items()
    ]


def _flag(value: object) -> bool:
    """LOGICAL arrives as BIT, as text or as a number, depending on the driver."""
    return str(value).strip().lower() in ("1", "true", "t", "yes", "y")
