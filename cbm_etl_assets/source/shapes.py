"""The shape of each table's result the last time its catalogue was compared, for sources whose catalogue is slow to ask.

Owns one small file a table under CBM_HOME. Only a hint: a lost file costs one look at the names, a foreign one the catalogue.
A change of width alone does not show in a shape: a text that outgrows its declared width is found by the reader.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.spec import TableSpec

if TYPE_CHECKING:
    import pyarrow as pa


class ShapeMemory:
    """A file holds `<spec> <shape> same|differs`; a spec that was changed since is compared as if for the first time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def table(self, spec: TableSpec, shape: pa.Schema, catalogue: Callable[[], SourceTable]) -> SourceTable | None:
        """None where spec and shape are those of the last comparison and agreed; else what the catalogue says."""
        declared = _digest(*(f"{c.name.lower()} {c.source_logical}" for c in spec.columns))
        answered = _digest(shape.to_string(show_schema_metadata=False))
        known = self._read(spec.name)
        if known == [declared, answered, "same"]:
            return None
        is_new = known[:1] != [declared]
        if is_new and {c.name.lower() for c in spec.columns} == {name.lower() for name in shape.names}:
            self._write(spec.name, declared, answered, "same")
            return None
        found = catalogue()
        # Spec and source differ until somebody takes the change over: until then every load looks.
        self._write(spec.name, declared, answered, "differs")
        return found

    def _read(self, table: str) -> list[str]:
        try:
            return (self._folder / f"{table}.shape").read_text(encoding="ascii").split()
        except (OSError, ValueError):  # never written, or not by us
            return []

    def _write(self, table: str, *words: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = self._folder / f"{table}.{os.getpid()}.tmp"
        aside.write_text(" ".join(words), encoding="ascii")
        aside.replace(self._folder / f"{table}.shape")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
