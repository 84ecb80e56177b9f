"""Deletes: what a complete read did not deliver, guarded and confirmed by a key probe before it is tombstoned.

OpenEdge has no snapshot: a row moving in an index while the scan passes can be missed once. So absence makes a candidate,
and only a second look by key makes a deletion.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import MassDeleteError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.keys import can_name_keys, hashes_in, key_spec, source_keys, without
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.source.port import ExtractRequest, ReadRange

if TYPE_CHECKING:
    import pyarrow as pa

    from cbm_etl_assets.warehouse.port import Absent, StagingTable

# Past that many candidates one scan of all keys is cheaper than naming them 800 a statement. It is the only way where ODS holds
# keys in another form than the source: a probe by those values would find nothing and confirm every deletion.
PROBE_BY_KEY = 20_000


def confirmed_deletions(
    platform: Platform, spec: TableSpec, staging: StagingTable, read: int, verb: str | None, kept: pa.Array | None = None
) -> pa.Table | None:
    """Keys to tombstone after a complete read (a column `_key_hash`), None for none. `verb` None = a mass delete was approved.

    `kept`: key hashes of rows that were read and could not be loaded; their last good version stays live.

    Raises: MassDeleteError with the approving command; nothing was changed then.
    """
    absent = platform.warehouse.absent(spec, staging)
    if kept is not None and len(kept):
        absent = replace(absent, keys=without(absent.keys, kept))
    if verb is not None:
        guard(spec, read=read, live=absent.live, candidates=absent.keys.num_rows, verb=verb)
    return confirm(platform, spec, absent) if absent.keys.num_rows else None


def guarded(platform: Platform, spec: TableSpec, staging: StagingTable, read: int, gone: pa.Table | None) -> pa.Table | None:
    """`gone`, keys a second look by name did not find, unless they are a mass: a table stamped anew every night is remembered
    whole, and an emptied source would empty ODS through an incremental. Raises: MassDeleteError."""
    if gone is None or not gone.num_rows:
        return gone
    absent = platform.warehouse.absent(spec, staging)
    candidates = absent.keys.num_rows - without(absent.keys, gone.column("_key_hash").combine_chunks()).num_rows
    is_all = candidates >= absent.live
    guard(spec, read=read if is_all else 1, live=absent.live, candidates=candidates, verb=f"run {spec.name} --mode incremental")
    return gone


def guard(spec: TableSpec, *, read: int, live: int, candidates: int, verb: str) -> None:
    """Raises: MassDeleteError when an empty source, or too many deletions, would be applied."""
    percent = 100 * candidates / live if live else 0.0
    is_empty = read == 0 and live > 0
    is_mass = percent > spec.deletes.max_percent and candidates > spec.deletes.max_rows
    if not (is_empty or is_mass):
        return
    limits = f"the guard allows {spec.deletes.max_percent:g} % or {spec.deletes.max_rows} rows"
    what = f"the source delivered 0 rows and ODS holds {live}" if is_empty else f"{candidates} of {live} rows ({percent:.1f} %) are gone"
    raise MassDeleteError(
        f"Table '{spec.name}': {what}; {limits}. Nothing was changed.",
        remedy=f"if this is right: cbm-etl {verb} --allow-mass-delete",
    )


def confirm(platform: Platform, spec: TableSpec, absent: Absent) -> pa.Table:
    """The candidates a probe does not find. Without a key there is nothing to probe: a multiset is what was read."""
    if not spec.primary_key:
        return absent.keys.select(["_key_hash"])
    by_key = absent.keys.num_rows <= PROBE_BY_KEY and can_name_keys(spec)
    keys = source_keys(spec, absent.keys) if by_key else None
    with tempfile.TemporaryDirectory(prefix="cbm-probe-") as folder:
        found = platform.source.extract(ExtractRequest(key_spec(spec), ReadRange(), Path(folder), keys=keys))
        return without(absent.keys, hashes_in(Path(folder), found.files)).select(["_key_hash"])
