"""A dumped OpenEdge database into the twin: schema, rows, arrays and large objects.

Owns the order of work. Files are read by `metadata.dumpfolder`, tables stored by `twin.store`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from cbm_etl_assets.errors import DumpFormatError
from cbm_etl_assets.metadata.dumpfolder import DumpedTable, load_dump_folder
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets.twin.store import copy_rows, create_table

if TYPE_CHECKING:
    from psycopg.errors import Error

Progress = Callable[[str, int], None]  # table and rows once it is loaded


def load_dump_folder_into_twin(handle: TwinHandle, folder: Path, progress: Progress | None = None) -> dict[str, int]:
    """Creates or replaces every table of the folder's schema and loads its `.d` file; rows by table, 0 where there is none.

    A table's rows are exactly the `records=` of its dump, or nothing of it is loaded.
    Raises: DumpFormatError naming file and line.
    """
    loaded: dict[str, int] = {}
    with handle.pg() as conn:
        for table in load_dump_folder(folder).tables:
            loaded[table.table.name] = _load(conn, table)
            if progress is not None:
                progress(table.table.name, loaded[table.table.name])
    return loaded


def _load(conn: Connection[Any], dumped: DumpedTable) -> int:
    import psycopg

    try:
        with conn.transaction():
            create_table(conn, dumped.table)
            if dumped.dump is None:
                return 0
            return sum(copy_rows(conn, dumped.table, batch) for batch in dumped.open().arrow_batches())
    except psycopg.Error as error:
        raise _explained(dumped, error) from error


def _explained(dumped: DumpedTable, error: Error) -> DumpFormatError:
    said = str(error).strip().splitlines()[0]
    return DumpFormatError(
        f"Table '{dumped.table.name}' of {dumped.schema_file} cannot be stored in the twin: {said}",
        remedy="a repeated key means the dump and the schema are not of the same database",
    )
