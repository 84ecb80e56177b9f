"""Extraction: one publication of raw files - the range asked for, then the keys that deserve a second look.

An isolation-0 read can deliver an update that is rolled back later: its modification stamp reverts and no cursor finds the
row again. So the keys that a load delivered shortly before its t0 are read again BY KEY by the next one; a key that is then
not there was never committed, or is gone.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.manifest import Manifest, RawFile
from cbm_etl_assets.metadata.spec import CursorPrecision, TableSpec
from cbm_etl_assets.pipeline.keys import hashes_in, source_keys, without
from cbm_etl_assets.pipeline.plan import LoadPlan
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.source.port import ExtractRequest, ExtractResult, Progress, ReadRange
from cbm_etl_assets.transform.hashing import HASH_VERSION

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


@dataclass(frozen=True)
class Extracted:
    """`gone`: keys read again by name and not found (a column `_key_hash`); None where nothing was."""

    manifest: Manifest
    cleaned: dict[str, int]
    gone: pa.Table | None = None


def extract(platform: Platform, spec: TableSpec, plan: LoadPlan, run_id: str, progress: Progress) -> Extracted:
    """Read and publish. Raises: the typed errors of the source and of the lake; then nothing is published."""
    started = platform.now()
    publication = platform.lake.begin(spec.name, plan.seq)
    try:
        found = platform.source.extract(ExtractRequest(spec, plan.range, publication.work_dir), progress)
        found, gone = _second_look(platform, spec, plan, found, publication.work_dir)
        manifest = _manifest(platform, spec, plan, found, run_id, started)
        publication.publish(manifest)
    except BaseException:
        publication.discard()
        raise
    return Extracted(manifest, found.cleaned, gone)


def recheck_since(platform: Platform, spec: TableSpec, plan: LoadPlan) -> dt.datetime | None:
    """Rows stamped from then on may have been dirty when they were read; a DATE cursor knows whole days only."""
    if spec.cursor is None:
        return None
    since = plan.t0 - dt.timedelta(minutes=platform.settings.load.dirty_read_minutes)
    return dt.datetime.combine(since.date(), dt.time()) if spec.cursor.precision is CursorPrecision.DATE else since


def _second_look(
    platform: Platform, spec: TableSpec, plan: LoadPlan, found: ExtractResult, folder: Path
) -> tuple[ExtractResult, pa.Table | None]:
    """A full load has read every row anyway."""
    if plan.mode is Mode.FULL or not spec.primary_key or spec.cursor is None:
        return found, None
    wanted = platform.warehouse.recheck_keys(spec)
    if wanted.num_rows:
        wanted = without(wanted, hashes_in(folder, found.files))
    if not wanted.num_rows:
        return found, None
    request = ExtractRequest(spec, ReadRange(), folder, keys=source_keys(spec, wanted), first_part=len(found.files))
    again = platform.source.extract(request)
    gone = without(wanted, hashes_in(folder, again.files)).select(["_key_hash"])
    return _together(found, again), gone


def _together(first: ExtractResult, second: ExtractResult) -> ExtractResult:
    cleaned = {c: first.cleaned.get(c, 0) + second.cleaned.get(c, 0) for c in first.cleaned.keys() | second.cleaned.keys()}
    return replace(first, files=first.files + second.files, rows=first.rows + second.rows, cleaned=cleaned)


def _manifest(platform: Platform, spec: TableSpec, plan: LoadPlan, found: ExtractResult, run_id: str, started: dt.datetime) -> Manifest:
    files: tuple[RawFile, ...] = found.files
    return Manifest(
        table=spec.name, seq=plan.seq, run_id=run_id, mode=plan.mode.value, partitions=plan.partitions, t0=plan.t0,
        started_at_utc=started, ended_at_utc=platform.now(), rows=found.rows, bytes=sum(f.bytes for f in files), files=files,
        columns=found.columns, query=found.query, parameters=list(found.parameters), high_water=found.high_water,
        hash_version=HASH_VERSION, hash_columns=platform.transform(spec).hash_columns, reader=found.reader,
    )  # fmt: skip
