"""Repair: verify, re-read exactly the differing keys, write them under the table's lock like any load, verify again.

Owns the order and the guard. A key the source has no more is tombstoned, a row ODS filed under another row's key is taken
out; the values ODS holds are compared, not the hash stored beside them, because a damaged row keeps its hash.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.certificate import Certificate
from cbm_etl_assets.pipeline.deletes import guard
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode, OnEvent
from cbm_etl_assets.pipeline.verify import verify

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True)
class Repair:
    """`load` None = there was nothing to repair."""

    before: Certificate
    after: Certificate
    load: LoadResult | None = None


def repair(
    platform: Platform, spec: TableSpec, *, run_id: str = "", allow_mass_delete: bool = False, on_event: OnEvent | None = None
) -> Repair:
    """Raises: ConfigurationError where there is no key or too many differ, MassDeleteError, BusyError, LoadError."""
    if not spec.primary_key:
        raise ConfigurationError(
            f"Table '{spec.name}' cannot be repaired by key: its spec declares none.",
            remedy=f"cbm-etl run {spec.name} --mode full",
        )
    run_id = run_id or str(uuid.uuid4())
    before = verify(platform, spec, run_id)
    keys = before.repair_keys
    if keys is None:
        return Repair(before, before)
    if before.truncated:
        total = before.missing + before.extra + before.different
        raise ConfigurationError(
            f"Table '{spec.name}': {total} keys differ, too many to read one by one (limit {len(before.keys)}).",
            remedy=f"cbm-etl run {spec.name} --mode full",
        )
    if not allow_mass_delete:
        guard(spec, read=before.rows_source, live=before.rows_ods, candidates=before.extra, verb=f"repair {spec.name}")
    options = LoadOptions(Mode.REPAIR, run_id=run_id, keys=_arrow(keys), force=True, misfiled=_arrow(before.misfiled))
    result = load_table(platform, spec, options, on_event)
    return Repair(before, verify(platform, spec, run_id), result)


def _arrow(frame: pl.DataFrame | None) -> pa.Table | None:
    """Text and binary in the plain layouts every Arrow reader takes."""
    import polars as pl

    return None if frame is None or not frame.width else frame.to_arrow(compat_level=pl.CompatLevel.oldest())
