"""TableSpec -> YAML that people read and edit, and the files of a whole schema dump.

Owns the layout: defaults left out, one line a column, a header of reasons. What is proposed is decided in `metadata.propose`.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.dumpfolder import DumpedTable, load_dump_folder
from cbm_etl_assets.metadata.naming import sql_safe
from cbm_etl_assets.metadata.propose import KeyBasis, key_basis, notes, propose_key, propose_spec
from cbm_etl_assets.metadata.schema import SCHEMA_FILE, write_schema
from cbm_etl_assets.metadata.spec import TableSpec

__all__ = ["ImportReport", "import_df", "propose_key", "propose_spec", "spec_to_yaml", "write_spec"]

# Words YAML 1.1 or 1.2 readers take for something else than text; and the marks that mean something to them.
_LETTERS = "A-Za-zÀ-ÖØ-öø-ÿœŒ"
_TEXT = re.compile(rf"[{_LETTERS}_][{_LETTERS}0-9_./()@'-]*(?: [{_LETTERS}0-9_./()@'-]+)*")
_NOT_TEXT = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class ImportReport:
    """`skipped` had a file already; `warnings` come from the dump and from the proposals; `keys`: what each written key rests on."""

    written: tuple[Path, ...]
    skipped: tuple[Path, ...]
    warnings: tuple[str, ...]
    keys: dict[str, KeyBasis] = field(default_factory=dict)


def spec_to_yaml(spec: TableSpec, notes: Sequence[str] = (), schema: str = SCHEMA_FILE) -> str:
    """The text of `tables/<name>.yaml`; `notes` become comments, `schema` is what editors complete from ('' = none)."""
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [f"# {line}" for note in notes for line in note.splitlines()]
    fields = spec.model_dump(exclude_defaults=True)
    columns = fields.pop("columns")
    if spec.schedule:
        fields["schedule"] = spec.schedule.model_dump()  # in full: a time zone is said, not assumed
    for name, value in fields.items():
        lines += _block(name, value)
    lines.append("columns:")
    lines += [f"  - {_flow(column)}" for column in columns]
    return "\n".join(lines) + "\n"


def write_spec(spec: TableSpec, folder: Path, overwrite: bool = False, notes: Sequence[str] = ()) -> Path:
    """Writes `<folder>/<name>.yaml`, whole or not at all. Raises: SpecError when it exists and may not be replaced."""
    path = folder / f"{spec.name}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{spec.name}.{os.getpid()}.part"
    try:
        part.write_text(spec_to_yaml(spec, notes), encoding="utf-8")
        if overwrite:
            part.replace(path)
        else:
            path.hardlink_to(part)  # fails when the file exists, without a moment in between
    except FileExistsError:
        raise SpecError(
            f"{path} exists already and is left as it is.", remedy="cbm-etl tables sync updates it; --overwrite replaces it"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return path


def import_df(path: Path, folder: Path, *, overwrite: bool = False, probe_dumps: bool = True) -> ImportReport:
    """One spec for every table of a `.df` file. Keys are checked for NULLs in the `.d` files beside it, if any.

    Raises: DumpFormatError when the dump cannot be read. Files that exist are skipped unless `overwrite`.
    """
    dumped = load_dump_folder(path.parent, df=path)
    written, skipped, warnings, keys = [], [], list(dumped.warnings), dict[str, KeyBasis]()
    for entry, target in _targets(dumped.tables, warnings):
        if not entry.table.columns:
            warnings.append(f"{path}: table '{entry.table.name}' has no fields and is left out")
            continue
        nulls = null_columns(entry) if probe_dumps and entry.dump else None
        spec = propose_spec(entry.table, null_columns=nulls or frozenset(), target=target)
        if not overwrite and (folder / f"{spec.name}.yaml").exists():
            skipped.append(folder / f"{spec.name}.yaml")
            continue
        written.append(write_spec(spec, folder, overwrite, notes(entry.table, null_columns=nulls)))
        keys[spec.name] = key_basis(entry.table, null_columns=nulls)
    if written:
        write_schema(folder)
    return ImportReport(tuple(written), tuple(skipped), tuple(warnings), keys)


def null_columns(entry: DumpedTable) -> frozenset[str]:
    """Columns of unique indexes that hold a NULL in the table's `.d` file. Raises: DumpFormatError on a broken one."""
    wanted = {name.lower() for index in entry.table.indexes if index.unique for name in index.columns}
    places = [(i, c.name) for i, c in enumerate(entry.table.columns) if c.name.lower() in wanted]
    found: set[str] = set()
    for row in entry.open().rows() if places else ():
        found.update(name for i, name in places if row[i] is None)
    return frozenset(found)


def _targets(tables: Sequence[DumpedTable], warnings: list[str]) -> Iterator[tuple[DumpedTable, str | None]]:
    """Each table with the target it needs where another one has its SQL-safe name already."""
    taken: set[str] = set()
    for entry in tables:
        safe = sql_safe(entry.table.name)
        target, number = safe, 1
        while target.lower() in taken:
            number += 1
            target = f"{safe}_{number}"
        taken.add(target.lower())
        if number > 1:
            warnings.append(f"table '{entry.table.name}': another table is called '{safe}' in the warehouse, this one becomes '{target}'")
        yield entry, target


def _block(name: str, value: Any) -> list[str]:
    if isinstance(value, Mapping) and value:
        return [f"{name}:", *(f"  {_scalar(key)}: {_flow(item)}" for key, item in value.items())]
    if isinstance(value, tuple | list) and any(isinstance(item, Mapping) for item in value):
        return [f"{name}:", *(f"  - {_item(item)}" for item in value)]
    return [f"{name}: {_flow(value)}"]


def line_to_yaml(line: Any) -> str:
    """One item of a list, as a spec writes it: `range: {column: price, min: 0}`."""
    return _item(line)


def _item(value: Any) -> str:
    """A rule reads `- range: {column: price}`, a column `- {name: price, type: integer}`."""
    if isinstance(value, Mapping) and len(value) == 1:
        [(key, item)] = value.items()
        return f"{_scalar(key)}: {_flow(item)}"
    return _flow(value)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, dt.timedelta):
        return duration_text(value)
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = value.isoformat() if isinstance(value, dt.date) else str(value)
    if isinstance(value, dt.date) or (_TEXT.fullmatch(text) and text.lower() not in _NOT_TEXT):
        return text
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def duration_text(value: dt.timedelta) -> str:
    """The spelling of a spec: 0d, 30m, 12h, 2d; ISO 8601 for what these cannot say."""
    seconds = value.total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % length == 0:
            return f"{int(seconds // length)}{unit}"
    return f"PT{seconds:f}S"
