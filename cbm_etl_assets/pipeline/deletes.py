"""Deletes: what a complete read did not deliver, guarded and confirmed by a key probe before it is tombstoned.

OpenEdge has no snapshot: a row moving in an index while the scan passes can be missed once. So absence makes a candidate,
and only a second look by key makes a deletion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbm_etl_assets.errors import MassDeleteError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.source.port import Source

if TYPE_CHECKING:
    import pyarrow as pa

    from cbm_etl_assets.warehouse.port import Absent


def guard(spec: TableSpec, *, read: int, live: int, candidates: int, allowed: bool) -> None:
    """Raises: MassDeleteError with the approving command when an empty source, or too many deletions, would be applied."""
    percent = 100 * candidates / live if live else 0.0
    is_empty = read == 0 and live > 0
    is_mass = percent > spec.deletes.max_percent and candidates > spec.deletes.max_rows
    if allowed or not (is_empty or is_mass):
        return
    what = (
        f"the source delivered 0 rows and ODS holds {live}"
        if is_empty
        else f"{candidates} of {live} rows ({percent:.1f} %) are gone; the guard allows {spec.deletes.max_percent:g} % or {spec.deletes.max_rows}"
    )
    raise MassDeleteError(
        f"Table '{spec.name}': {what}. Nothing was changed.",
        remedy=f"if this is right: cbm-etl run {spec.name} --mode full --allow-mass-delete",
    )


def confirm(spec: TableSpec, source: Source, absent: Absent) -> pa.Table:
    """The candidates that a probe by key does not find: a table with `_key_hash`. Without a key there is nothing to probe."""
    if not spec.primary_key or not absent.keys.num_rows:
        return absent.keys.select(["_key_hash"])
    import pyarrow as pa
    import pyarrow.compute as pc

    names = {spec.column(key).target_name: key for key in spec.primary_key}
    probe = absent.keys.select(list(names)).rename_columns(list(names.values()))
    present = source.present_keys(spec, probe)
    gone = pc.invert(pc.is_in(absent.keys.column("_key_hash").cast(pa.binary()), value_set=present.combine_chunks().cast(pa.binary())))
    return absent.keys.filter(gone).select(["_key_hash"])
