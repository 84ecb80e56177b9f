"""Columns dropped and added again between two loads: same name, same type, other values. Only their place in the record tells.

Owns one small file a table under CBM_HOME: each column's place at the last look, and the names that wait for a complete read.
OpenEdge numbers the fields of a table (`_Field-rpos`) and does not give the number of a dropped one again; a dump and load numbers
them anew from the start, which is no news. A source without such numbers tells nothing: its next full load puts it right, and so
does that of a CBM_HOME that lost the file.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.pipeline.results import LoadOptions, Mode


@dataclass(frozen=True)
class Places:
    """`of`: column in lower case -> its number. `again`: columns that came again since the last complete read."""

    of: dict[str, int] = field(default_factory=dict)
    again: tuple[str, ...] = ()


def compared(known: Places, found: SourceTable) -> Places:
    """What is so now. A number beyond all that were known is a new one; a lower one was given by a dump and load. Pure."""
    now = {c.name.lower(): c.place for c in found.columns if c.place}
    highest = max(known.of.values(), default=0)
    came = {name for name, place in now.items() if place != known.of.get(name, place) and place > highest}
    return Places(now, tuple(sorted(came | (set(known.again) & now.keys()))))


def read(home: Path, table: str) -> Places:
    try:
        values = json.loads(_path(home, table).read_text(encoding="utf-8"))
        return Places({str(k): int(v) for k, v in values["of"].items()}, tuple(map(str, values["again"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # never written, or not by us: nothing is known
        return Places()


def write(home: Path, table: str, places: Places) -> None:
    path = _path(home, table)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    aside.write_text(json.dumps({"of": places.of, "again": places.again}), encoding="utf-8")
    aside.replace(path)


def remember(home: Path, table: str, places: Places) -> None:
    if places.of and places != read(home, table):
        write(home, table, places)


def settle(home: Path, table: str) -> None:
    """After a complete read: every row of ODS has the values of the column that is there now."""
    known = read(home, table)
    if known.again:
        write(home, table, replace(known, again=()))


def complete(options: LoadOptions, again: tuple[str, ...]) -> LoadOptions:
    """An incremental becomes full while a column waits; partitions, sweeps and repairs do what they were asked for."""
    is_incremental = options.mode is Mode.INCREMENTAL or (options.mode is Mode.AUTO and not options.partitions)
    return replace(options, mode=Mode.FULL) if again and is_incremental and not options.replay else options


def _path(home: Path, table: str) -> Path:
    return home / "run" / "places" / f"{table}.json"
