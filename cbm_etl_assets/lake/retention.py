"""What may be removed from the lake: published loads by age, leftovers of dead processes. Nothing that is in use.

Owns the rules and the removal. The clock is handed in.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, replace
from pathlib import Path

from cbm_etl_assets.errors import CorruptRawFileError
from cbm_etl_assets.lake.paths import MANIFEST, Scratch, parse_scratch, parse_seq, scratch_name, table_folder
from cbm_etl_assets.lake.seal import unseal
from cbm_etl_assets.lake.store import LocalStore, RemoteStore, typed_errors

# Processes of another host cannot be seen; no extraction lasts two days.
FOREIGN_AGE = dt.timedelta(days=2)


@dataclass(frozen=True)
class CleanReport:
    """`loads` published folders removed, `bytes` freed by them, `leftovers` of dead processes removed, `in_use` kept back."""

    loads: int = 0
    bytes: int = 0
    leftovers: int = 0
    in_use: int = 0
    tables: tuple[str, ...] = ()


def clean_table(store: LocalStore | RemoteStore, table: str, cutoff: dt.datetime, keep_last: int) -> CleanReport:
    """Removes published loads that ended at or before `cutoff` (aware), except the newest `keep_last` and those being read."""
    folder = table_folder(table)
    names = store.names(folder)
    leases = {s.seq for s in map(parse_scratch, names) if s is not None and s.kind == "lease" and (s.is_foreign or s.is_alive)}
    published = sorted(seq for seq in map(parse_seq, names) if seq is not None)
    report = CleanReport()
    for seq in published[: len(published) - keep_last] if keep_last else published:
        ended, size = _age_and_size(store, f"{folder}/{seq:012d}")
        if ended is None or ended > cutoff:
            continue
        if seq in leases:
            report = replace(report, in_use=report.in_use + 1)
            continue
        _remove_load(store, folder, seq)
        report = replace(report, loads=report.loads + 1, bytes=report.bytes + size, tables=(table,))
    return report


def remove_leftovers(store: LocalStore | RemoteStore, table: str, now: dt.datetime, in_use: frozenset[str]) -> int:
    """Temporary folders and leases of dead processes, and folders without a manifest. Returns how many."""
    folder = table_folder(table)
    removed = 0
    for name in store.names(folder):
        scratch = parse_scratch(name)
        path = f"{folder}/{name}"
        if (scratch is not None and _is_dead(store, path, scratch, now, name in in_use)) or _is_unfinished(store, path, name, now):
            store.remove(path)
            removed += 1
    return removed


def _is_dead(store: LocalStore | RemoteStore, path: str, scratch: Scratch, now: dt.datetime, in_use: bool) -> bool:
    if scratch.is_foreign:
        return _older(store, path, now, FOREIGN_AGE)
    if scratch.kind == "tmp" and scratch.pid == os.getpid():
        return not in_use  # left by an earlier attempt of this very process
    return not scratch.is_alive


def _is_unfinished(store: LocalStore | RemoteStore, path: str, name: str, now: dt.datetime) -> bool:
    """Remote only: an upload cut before its manifest. A local load appears by a rename, manifest included."""
    if parse_seq(name) is None or isinstance(store, LocalStore) or MANIFEST in store.names(path):
        return False
    files = store.names(path)
    return all(_older(store, f"{path}/{file}", now, FOREIGN_AGE) for file in files)


def _older(store: LocalStore | RemoteStore, path: str, now: dt.datetime, age: dt.timedelta) -> bool:
    modified = store.modified(path)
    return modified is not None and now.timestamp() - modified > age.total_seconds()


def _age_and_size(store: LocalStore | RemoteStore, path: str) -> tuple[dt.datetime | None, int]:
    content = store.read_bytes(f"{path}/{MANIFEST}")
    if content is None:
        return None, 0  # unfinished, the business of remove_leftovers
    try:
        manifest = unseal(content, store.location(f"{path}/{MANIFEST}"))
    except CorruptRawFileError:
        # Nobody will read it, retention must still end its life: the file system's time stands in.
        modified = store.modified(f"{path}/{MANIFEST}")
        return (dt.datetime.fromtimestamp(modified, dt.UTC) if modified is not None else None), 0
    ended = manifest.ended_at_utc
    return (ended if ended.tzinfo else ended.replace(tzinfo=dt.UTC)), sum(file.bytes for file in manifest.files)


def _remove_load(store: LocalStore | RemoteStore, folder: str, seq: int) -> None:
    if isinstance(store, RemoteStore):
        store.remove(f"{folder}/{seq:012d}/{MANIFEST}")
        store.remove(f"{folder}/{seq:012d}")
        return
    # Out of sight in one step, then deleted: a killed clean-up leaves no half load behind.
    trash: Path = store.path(f"{folder}/{scratch_name('trash', seq)}")
    with typed_errors(f"Cannot remove {store.location(folder)}/{seq:012d}"):
        store.path(f"{folder}/{seq:012d}").rename(trash)
    store.remove(f"{folder}/{trash.name}")
