"""Names for people: what a column is called in a report, and the description that stands beside it.

Owns the choice (label, else a short description, else the technical name), what a reporting tool cannot digest, and uniqueness.
Pure: knows no warehouse; the length a name may have is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec

LONGEST_DESCRIPTION = 60  # a longer one is a sentence about the column, not its name
# Brackets are DAX's quotes, '?' is a placeholder to ODBC drivers, '!' a line break in OpenEdge's column labels.
_BRACKETS = str.maketrans({"[": "(", "]": ")", "?": " ", "!": " ", '"': "'"})
UPDATED_AT, VALID_FROM, VALID_TO, IS_CURRENT = "Updated at", "Valid from", "Valid to", "Is current"
OURS = (UPDATED_AT, VALID_FROM, VALID_TO, IS_CURRENT)


def business_names(spec: TableSpec, max_bytes: int) -> list[tuple[str, str]]:
    """(target column, its name in a view), in spec order; no two alike, whatever the case, and none of `OURS`.

    The first of several columns with one label keeps it, so that a column that comes later renames none.
    """
    taken = {name.lower() for name in OURS}
    found = []
    for target, wanted in _wanted(spec):
        name = _unique(wanted, target, taken, max_bytes)
        taken.add(name.lower())
        found.append((target, name))
    return found


def descriptions(spec: TableSpec, longest: int = 3700) -> Iterator[tuple[str, str]]:
    """(target column, or '' for the table; label and description). 3,700: what SQL Server's extended properties take."""
    yield "", _cut(spec.description, longest)
    for column in spec.kept_columns:
        text = ": ".join(filter(None, (column.label, column.description)))
        for name in column.target_names:
            yield name, _cut(text, longest)


def _cut(text: str, longest: int) -> str:
    return text.replace("\0", "")[:longest]


def _wanted(spec: TableSpec) -> Iterator[tuple[str, str]]:
    for column in spec.kept_columns:
        name = _shown(column)
        many = len(column.target_names) > 1
        for number, target in enumerate(column.target_names, start=1):
            yield target, (f"{name} {number}" if many and name else name) or target


def _shown(column: ColumnSpec) -> str:
    lines = column.description.strip().splitlines()
    short = lines[0] if lines and len(lines[0]) <= LONGEST_DESCRIPTION else ""
    return next(filter(None, map(_printable, (column.label, short))), "")


def _printable(text: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in text.translate(_BRACKETS))
    return re.sub(r"\s+", " ", plain).strip(" .")


def _unique(wanted: str, target: str, taken: Iterable[str], max_bytes: int) -> str:
    name = _fit(wanted, "", max_bytes)
    if name.lower() in taken:
        name = _fit(wanted, f" ({target})", max_bytes)
    number = 2
    while name.lower() in taken:
        name = _fit(wanted, f" {number}", max_bytes)
        number += 1
    return name


def _fit(text: str, suffix: str, max_bytes: int) -> str:
    """As many characters as fit beside the suffix."""
    room = max(1, max_bytes - len(suffix.encode()))
    kept = text.encode()[:room].decode(errors="ignore").rstrip()
    return (kept + suffix).encode()[:max_bytes].decode(errors="ignore")
