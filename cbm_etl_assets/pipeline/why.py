"""The story of one row, and a table as it was: read from `ods.<t>_history` where history is on, else from the current row.

Owns the questions. Values are those ODS holds, masked as the spec says; where they came from is told by the manifests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import ConfigurationError, LakeError
from cbm_etl_assets.metadata.manifest import Manifest
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.keys import key_spec
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.transform.names import KEY_HASH

if TYPE_CHECKING:
    from cbm_etl_assets.control.port import QuarantineEntry
    from cbm_etl_assets.warehouse.port import QueryResult


@dataclass(frozen=True)
class Origin:
    """Where a version came from. `raw_file` is empty when retention has removed it."""

    seq: int
    run_id: str
    mode: str = ""
    partitions: tuple[str, ...] = ()
    raw_file: str = ""


@dataclass(frozen=True)
class Version:
    """`valid_from`, `valid_to`: source time, half-open; both None on a table without history. `changed`: against the one before."""

    values: dict[str, object]
    origin: Origin
    hashdiff: str
    extracted_at: dt.datetime | None
    valid_from: dt.datetime | None = None
    valid_to: dt.datetime | None = None
    is_deleted: bool = False
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Story:
    table: str
    key: tuple[str, ...]
    key_hash: str
    has_history: bool
    versions: tuple[Version, ...]
    masks: dict[str, str]
    quarantine: tuple[QuarantineEntry, ...] = ()


def why(platform: Platform, spec: TableSpec, key: Sequence[str]) -> Story:
    """Raises: ConfigurationError for a key of another shape, ConversionError, WarehouseError when the table was never loaded."""
    wanted = key_hash_of(platform, spec, key)
    columns = [name for name, _ in spec.target_columns]
    rows = [dict(zip(columns + _TECHNICAL, row, strict=True)) for row in platform.warehouse.versions(spec, wanted).rows]
    manifests = _manifests(platform, spec)
    origins = [_origin(platform, row, manifests, wanted) for row in rows]
    versions = tuple(
        _version(spec, row, before, origin) for row, before, origin in zip(rows, [None, *rows][: len(rows)], origins, strict=True)
    )
    masks = {name: c.mask.value for c in spec.kept_columns if c.mask for name in c.target_names}
    entries = tuple(e for e in platform.control.quarantine_entries(spec.name) if e.row.key_hash == wanted.hex())
    return Story(spec.name, tuple(key), wanted.hex(), spec.history, versions, masks, entries)


_TECHNICAL = ["_hashdiff", "_load_seq", "_extracted_at", "_run_id", "_first_stamp", "_second_stamp"]


def key_hash_of(platform: Platform, spec: TableSpec, key: Sequence[str]) -> bytes:
    """`_key_hash` of a key as a person writes it, one text a column. A masked key is written as the source has it."""
    import polars as pl

    from cbm_etl_assets.transform.convert import to_type

    if not spec.primary_key:
        raise ConfigurationError(f"Table '{spec.name}' has no key: its rows cannot be named.")
    if len(key) != len(spec.primary_key):
        raise ConfigurationError(
            f"Table '{spec.name}': the key is {' '.join(spec.primary_key)}, {len(spec.primary_key)} values; {len(key)} given.",
            remedy=f"cbm-etl why {spec.name} {' '.join(spec.primary_key).upper()}",
        )
    columns = [spec.column(name) for name in spec.primary_key]
    typed = pl.DataFrame([to_type(pl.Series(c.name, [text]), c.source_logical) for c, text in zip(columns, key, strict=True)])
    hashes, _ = platform.transform(key_spec(spec)).hashes(typed.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return bytes(hashes[0].as_py())


def _manifests(platform: Platform, spec: TableSpec) -> dict[int, Manifest]:
    try:
        return {m.seq: m for m in platform.lake.manifests(spec.name)}
    except LakeError:
        return {}  # a damaged manifest hides where a version came from, not the version


def _version(spec: TableSpec, row: dict[str, object], before: dict[str, object] | None, origin: Origin) -> Version:
    columns, hashdiff = [name for name, _ in spec.target_columns], row["_hashdiff"]
    first, second = row["_first_stamp"], row["_second_stamp"]
    return Version(
        values={name: row[name] for name in columns},
        origin=origin,
        hashdiff=hashdiff.hex() if isinstance(hashdiff, bytes) else "",
        extracted_at=_stamp(row["_extracted_at"]),
        valid_from=_stamp(first) if spec.history else None,
        valid_to=_stamp(second) if spec.history else None,
        is_deleted=bool(first) and not spec.history,
        changed=tuple(name for name in columns if before is not None and before[name] != row[name]),
    )


def _stamp(value: object) -> dt.datetime | None:
    return value if isinstance(value, dt.datetime) else None


def _origin(platform: Platform, row: dict[str, object], manifests: dict[int, Manifest], wanted: bytes) -> Origin:
    seq, run_id = int(str(row["_load_seq"])), str(row["_run_id"])
    manifest = manifests.get(seq)
    if manifest is None:
        return Origin(seq, run_id)
    return Origin(seq, run_id, manifest.mode, manifest.partitions, _raw_file(platform, manifest, wanted))


def _raw_file(platform: Platform, manifest: Manifest, wanted: bytes) -> str:
    """The one file of the load that holds the key. Empty when none does (a tombstone) or it cannot be read."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with platform.lake.files(manifest) as paths:
            for path, file in zip(paths, manifest.files, strict=True):
                hashes = pq.read_table(path, columns=[KEY_HASH]).column(0).cast(pa.binary())
                if pc.any(pc.equal(hashes, pa.scalar(wanted, pa.binary()))).as_py():
                    return f"{platform.lake.location(manifest)}/{file.name}"
    except LakeError:
        return ""  # removed by retention or damaged: the version itself stands in the warehouse
    return ""


def asof(platform: Platform, spec: TableSpec, moment: dt.datetime) -> QueryResult:
    """The table's rows at that source time. Raises: ConfigurationError without history, WarehouseError."""
    if not spec.history:
        raise ConfigurationError(
            f"Table '{spec.name}' keeps no history: only its present is known.",
            remedy="write `history: true` in its spec; versions are kept from the next load on",
        )
    return platform.warehouse.as_of(spec, moment)
