"""Extraction: one publication of raw files - the range asked for, then the keys that deserve a second look.

An isolation-0 read can deliver an update that is rolled back later: its modification stamp reverts and no cursor finds the
row again. So the keys that a load delivered shortly before its t0 are read again BY KEY by the next one; a key that is then
not there was never committed, or is gone.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.manifest import Manifest, RawFile
from cbm_etl_assets.metadata.spec import CursorPrecision, TableSpec
from cbm_etl_assets.pipeline.isolate import Readout, join, read_around
from cbm_etl_assets.pipeline.keys import hashes_in, named_keys, without
from cbm_etl_assets.pipeline.plan import LoadPlan
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.quarantine import key_hashes, keys_of, refuse_too_many, to_retry
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.source.port import ExtractRequest, ExtractResult, Progress, ReadRange
from cbm_etl_assets.transform.names import HASH_VERSION, KEY_HASH, hash_columns

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


@dataclass(frozen=True)
class Extracted:
    """`gone`: keys read again by name and not found (a column `_key_hash`); None where nothing was.

    `bad`: rows for the quarantine; `unread` of them are in no raw file. `retried`: key hashes of the quarantine looked at again.
    """

    manifest: Manifest
    cleaned: dict[str, int]
    gone: pa.Table | None = None
    bad: tuple[BadRow, ...] = ()
    unread: int = 0
    retried: tuple[str, ...] = ()

    @property
    def read(self) -> int:
        return self.manifest.rows + self.unread


@dataclass(frozen=True)
class _Look:
    """What one load has read so far."""

    found: ExtractResult
    unread: tuple[BadRow, ...] = ()
    gone: pa.Table | None = None
    retried: tuple[str, ...] = ()


_NOTHING = ExtractResult((), 0, "", (), None, "", [])


def extract(platform: Platform, spec: TableSpec, plan: LoadPlan, run_id: str, progress: Progress) -> Extracted:
    """Read and publish. Raises: the typed errors of the source and of the lake, TooManyBadRowsError; then nothing is published."""
    started = platform.now()
    publication = platform.lake.begin(spec.name, plan.seq)
    try:
        folder = publication.work_dir
        first = _first_look(platform, spec, plan, folder, progress)
        look = _second_look(platform, spec, plan, first, folder)
        bad = look.found.bad + look.unread
        refuse_too_many(spec, bad, look.found.rows + len(look.unread))
        manifest = _manifest(platform, spec, plan, look.found, run_id, started)
        publication.publish(manifest)
    except BaseException:
        publication.discard()
        raise
    return Extracted(manifest, look.found.cleaned, look.gone, bad, len(look.unread), look.retried)


def recheck_since(platform: Platform, spec: TableSpec, plan: LoadPlan) -> dt.datetime | None:
    """Rows stamped from then on may have been dirty when they were read; a DATE cursor knows whole days only."""
    if spec.cursor is None:
        return None
    since = plan.t0 - dt.timedelta(minutes=platform.settings.load.dirty_read_minutes)
    return dt.datetime.combine(since.date(), dt.time()) if spec.cursor.precision is CursorPrecision.DATE else since


def _first_look(platform: Platform, spec: TableSpec, plan: LoadPlan, folder: Path, progress: Progress) -> _Look:
    if plan.keys_only or plan.keys is not None:
        columns = [{"name": c.name, "type": str(c.source_logical), "target": c.target_name} for c in spec.kept_columns]
        nothing = _Look(ExtractResult((), 0, "", (), None, "", columns))
        return nothing if plan.keys is None else _wanted(platform, spec, nothing, plan.keys, folder)
    readout = read_around(platform.source, ExtractRequest(spec, plan.range, folder), progress)
    return _Look(readout.found, readout.unread)


def _second_look(platform: Platform, spec: TableSpec, plan: LoadPlan, look: _Look, folder: Path) -> _Look:
    """Keys a dirty read may have shown, and keys in quarantine. A full load has read every row anyway, a sweep loads none."""
    if plan.mode in (Mode.FULL, Mode.SWEEP) or not spec.primary_key:
        return look
    if plan.keys is not None:
        return _wanted(platform, spec, look, plan.keys, folder)
    if spec.cursor is not None:
        look = _wanted(platform, spec, look, platform.warehouse.recheck_keys(spec), folder)
    entries = to_retry(platform, spec)
    if entries:
        keys = keys_of(spec, entries)
        look = _by_key(platform, spec, look, keys, keys.select([KEY_HASH]), folder)
    return replace(look, retried=tuple(entry.row.key_hash for entry in entries))


def _wanted(platform: Platform, spec: TableSpec, look: _Look, wanted: pa.Table, folder: Path) -> _Look:
    """Read the rows of these ODS keys, less those read already."""
    unread = _unread(look, wanted, folder)
    return _by_key(platform, spec, look, named_keys(platform.source, spec, unread), unread.select([KEY_HASH]), folder)


def _unread(look: _Look, keys: pa.Table, folder: Path) -> pa.Table:
    import pyarrow as pa

    return without(keys, pa.concat_arrays([hashes_in(folder, look.found.files), key_hashes(look.unread)])) if keys.num_rows else keys


def _by_key(platform: Platform, spec: TableSpec, look: _Look, keys: pa.Table, hashed: pa.Table, folder: Path) -> _Look:
    """Read `keys` (the source's names, `_key_hash`), less those read already. Of `hashed` (`_key_hash`), what is not read is gone."""
    import pyarrow as pa

    keys, wanted = _unread(look, keys, folder), _unread(look, hashed, folder)
    if not wanted.num_rows:
        return look
    found, again = look.found, Readout(_NOTHING)
    if keys.num_rows:
        request = ExtractRequest(spec, ReadRange(), folder, keys=keys.drop_columns([KEY_HASH]), first_part=len(look.found.files))
        again = read_around(platform.source, request)
        found = join(found, again.found)
    gone = without(without(wanted, hashes_in(folder, again.found.files)), key_hashes(again.unread))
    all_gone = gone if look.gone is None else pa.concat_tables([look.gone, gone])
    return replace(look, found=found, unread=look.unread + again.unread, gone=all_gone)


def _manifest(platform: Platform, spec: TableSpec, plan: LoadPlan, found: ExtractResult, run_id: str, started: dt.datetime) -> Manifest:
    files: tuple[RawFile, ...] = found.files
    return Manifest(
        table=spec.name, seq=plan.seq, run_id=run_id, mode=plan.mode.value, partitions=plan.partitions, t0=plan.t0,
        started_at_utc=started, ended_at_utc=platform.now(), rows=found.rows, bytes=sum(f.bytes for f in files), files=files,
        columns=found.columns, query=found.query, parameters=list(found.parameters), high_water=found.high_water,
        hash_version=HASH_VERSION, hash_columns=hash_columns(spec), reader=found.reader, after_seq=plan.after_seq,
    )  # fmt: skip
