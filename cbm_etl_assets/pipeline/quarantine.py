"""The quarantine's part in a load: thresholds, keys to retry, what is written before the merge and healed after it.

An entry is opened BEFORE the merge and healed AFTER it: killed in between, a bad row is retried once too often, never
forgotten behind the watermark.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cbm_etl_assets.control.port import QuarantineEntry
from cbm_etl_assets.errors import TooManyBadRowsError
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.transform.names import KEY_HASH

if TYPE_CHECKING:
    import pyarrow as pa

OPEN = "open"
_SHOWN_ROWS = 3


def refuse_too_many(spec: TableSpec, bad: Sequence[BadRow], read: int) -> None:
    """Raises: TooManyBadRowsError above the table's thresholds; nothing is published then."""
    limits = spec.quarantine
    if not limits.exceeded(len(bad), read):
        return
    shown = "; ".join(f"{row.key_json} {row.message}" for row in bad[:_SHOWN_ROWS])
    raise TooManyBadRowsError(
        f"Table '{spec.name}': {len(bad)} of {read} rows cannot be loaded; its quarantine takes {limits.max_rows} rows or "
        f"{limits.max_percent:g} %, and {limits.limit} at most. Nothing was changed. For instance {shown}.",
        remedy="correct the type or key in the spec (cbm-etl tables sync), repair the source, or raise `quarantine:` of the table",
    )


def to_retry(platform: Platform, spec: TableSpec) -> list[QuarantineEntry]:
    """Open entries whose key can be read by name. A key of other columns, from before the spec changed, names nothing now."""
    names = {spec.column(key).name for key in spec.primary_key}
    entries = platform.control.quarantine_entries(spec.name) if names else []
    return [e for e in entries if e.state == OPEN and e.row.can_retry and json.loads(e.row.key_json).keys() == names]


def keys_of(spec: TableSpec, entries: Sequence[QuarantineEntry]) -> pa.Table:
    """Their keys as text under the source's names, and `_key_hash`."""
    import pyarrow as pa

    keys = [json.loads(entry.row.key_json) for entry in entries]
    names = [spec.column(key).name for key in spec.primary_key]
    columns = {name: pa.array([key[name] for key in keys], pa.string()) for name in names}
    return pa.table(columns | {KEY_HASH: pa.array([bytes.fromhex(e.row.key_hash) for e in entries], pa.binary())})


def key_hashes(rows: Sequence[BadRow]) -> pa.Array:
    import pyarrow as pa

    return pa.array([bytes.fromhex(row.key_hash) for row in rows], pa.binary())
