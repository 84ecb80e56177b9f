"""A dumped database in a folder: its `.df` files, its `.d` files, and which belongs to which.

Owns the matching. Several schema dumps may lie together; one `.d` file belongs to one table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cbm_etl_assets.errors import DumpFormatError
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.df import DfSchema, Sequence, read_df
from cbm_etl_assets.metadata.dump import Dump, read_dump
from cbm_etl_assets.metadata.trailer import find_trailer

MAX_DEPTH = 2  # sports2000 keeps its .d files one folder below its .df file


@dataclass(frozen=True)
class DumpedTable:
    """`dump` is the table's `.d` file, None where there is none; `schema_file` the `.df` that defines it."""

    table: SourceTable
    schema_file: Path
    dump: Path | None

    def open(self) -> Dump:
        """Raises: DumpFormatError when the table has no `.d` file, or a broken one."""
        if self.dump is None:
            raise DumpFormatError(f"Table '{self.table.name}' has no .d file beside {self.schema_file}.")
        return read_dump(self.dump, self.table)


@dataclass(frozen=True)
class DumpFolder:
    """`unmatched` are `.d` files of no table; `warnings` say what was left out and why."""

    path: Path
    schemas: tuple[tuple[Path, DfSchema], ...]
    tables: tuple[DumpedTable, ...]
    unmatched: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def dumped(self) -> tuple[DumpedTable, ...]:
        return tuple(t for t in self.tables if t.dump)

    @property
    def without_dump(self) -> tuple[SourceTable, ...]:
        return tuple(t.table for t in self.tables if not t.dump)

    @property
    def sequences(self) -> tuple[Sequence, ...]:
        return tuple(s for _, schema in self.schemas for s in schema.sequences)


def load_dump_folder(path: Path, df: Path | None = None) -> DumpFolder:
    """The dumped database of a folder; `df` names one schema dump where the folder holds several.

    Raises: DumpFormatError when there is no `.df` file, or one cannot be read.
    """
    files = sorted(_files(path, MAX_DEPTH)) if path.is_dir() else []
    schema_files = [df] if df else [file for file in files if file.suffix.lower() == ".df"]
    if not schema_files:
        raise DumpFormatError(
            f"{path}: holds no .df file", remedy="dump the definitions (Data Dictionary, Admin, Dump Data and Definitions)"
        )
    schemas = tuple((file, read_df(file)) for file in schema_files)
    warnings = [text for _, schema in schemas for text in schema.warnings]
    candidates = [file for file in files if file.suffix.lower() == ".d"]
    dumps = _Dumps(candidates)
    tables: dict[str, DumpedTable] = {}
    for file, schema in schemas:
        for table in schema.tables:
            key = table.name.lower()
            if key in tables:
                warnings.append(f"{file}: table '{table.name}' is also in {tables[key].schema_file.name}, which is taken")
            else:
                tables[key] = DumpedTable(table, file, dumps.of(table))
    unmatched = tuple(file for file in candidates if file not in dumps.taken and not file.name.startswith("_"))
    warnings += [f"{file}: belongs to no table of the schema" for file in unmatched]
    return DumpFolder(path, schemas, tuple(tables.values()), unmatched, tuple(warnings))


class _Dumps:
    """The `.d` files, by stem and by the table their trailer names."""

    def __init__(self, files: list[Path]) -> None:
        self.taken: set[Path] = set()
        self._by_stem = {file.stem.lower(): file for file in reversed(files)}
        self._by_table: dict[str, Path] = {}
        for file in reversed(files):
            trailer = find_trailer(file)
            if trailer and trailer.filename:
                self._by_table[trailer.filename.lower()] = file

    def of(self, table: SourceTable) -> Path | None:
        name = table.name.lower()
        by_stem = self._by_stem.get((table.dump_name or name).lower()) or self._by_stem.get(name)
        found = self._by_table.get(name) or by_stem
        if found is None or found in self.taken:
            return None
        self.taken.add(found)
        return found


def _files(folder: Path, depth: int) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink() and depth > 1:
            yield from _files(entry, depth - 1)
        elif entry.is_file():
            yield entry
