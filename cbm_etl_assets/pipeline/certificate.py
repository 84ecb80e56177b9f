"""Certificate: what one verification found, and its row in etl.Certificate. Plain data; the work is `pipeline.verify`."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cbm_etl_assets.control.port import CertificateRow

if TYPE_CHECKING:
    import polars as pl

    from cbm_etl_assets.pipeline.digests import Tally

# Past that many differing keys a full load is cheaper than naming them 800 a statement; the rest is counted, not listed.
MAX_KEYS = 20_000
STORED_KEYS = 1_000  # listed in the control database
_TEXT_CHARS = 60


class Verdict(StrEnum):
    EQUAL = "equal"
    DIFFERENT = "different"


@dataclass(frozen=True)
class KeyDifference:
    """`kind`: missing (in the source only), extra (in ODS only), different. `key`: its values; masked as the spec says."""

    kind: str
    key: tuple[object, ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnProof:
    """One column, measured on both sides in the first pass; `different`: keys whose value is not the same."""

    name: str
    source: Tally
    ods: Tally
    different: int = 0

    @property
    def equal(self) -> bool:
        return self.source == self.ods

    def document(self) -> dict[str, Any]:
        one = {"name": self.name, "equal": self.equal, "different": self.different, "source": _plain(self.source)}
        return one if self.equal else one | {"ods": _plain(self.ods)}


@dataclass(frozen=True)
class Certificate:
    """The source now against ODS now.

    `pending`: keys the source changed since the last load. `quarantined`: keys whose row cannot be loaded, or waits in
    quarantine for the next load; their last good version is what ODS should hold. `verified_through`: naive source time up to
    which ODS is proven equal, None when it is not. `keys`: the differing ones, MAX_KEYS at most (`truncated`). `repair_keys`
    names them for a repair: the key's target columns and `_key_hash`; `misfiled` are rows of ODS whose stored `_key_hash` is
    another row's.
    """

    table: str
    run_id: str
    status: Verdict
    started_at_utc: dt.datetime
    ended_at_utc: dt.datetime
    verified_through: dt.datetime | None
    seq: int
    rows_source: int
    rows_ods: int
    missing: int = 0
    extra: int = 0
    different: int = 0
    pending: int = 0
    quarantined: int = 0
    key_columns: tuple[str, ...] = ()
    keys: tuple[KeyDifference, ...] = ()
    truncated: bool = False
    columns: tuple[ColumnProof, ...] = ()
    fingerprints: dict[str, str] = field(default_factory=dict)
    buckets_different: int = 0
    repair_keys: pl.DataFrame | None = field(default=None, repr=False, compare=False)
    misfiled: pl.DataFrame | None = field(default=None, repr=False, compare=False)

    @property
    def equal(self) -> bool:
        return self.status is Verdict.EQUAL

    @property
    def seconds(self) -> float:
        return (self.ended_at_utc - self.started_at_utc).total_seconds()

    def row(self) -> CertificateRow:
        prints = self.fingerprints
        return CertificateRow(
            run_id=self.run_id, table_name=self.table, status=self.status.value, started=self.started_at_utc, ended=self.ended_at_utc,
            verified_through=self.verified_through, seq=self.seq, rows_source=self.rows_source, rows_ods=self.rows_ods,
            missing=self.missing, extra=self.extra, different=self.different, pending=self.pending, quarantined=self.quarantined,
            keys_source=prints.get("keys_source", ""), keys_ods=prints.get("keys_ods", ""),
            content_source=prints.get("rows_source", ""), content_ods=prints.get("rows_ods", ""),
            buckets_different=self.buckets_different, columns=_json([c.document() for c in self.columns]),
            keys=_json([[k.kind, list(k.key), list(k.columns)] for k in self.keys[:STORED_KEYS]]),
        )  # fmt: skip


def _plain(tally: Tally) -> dict[str, Any]:
    values = {"nulls": tally.nulls, "sum": tally.total, "min": tally.minimum, "max": tally.maximum}
    return {name: _short(value) for name, value in values.items()} | {"fingerprint": f"{tally.fingerprint:016x}"}


def _short(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    return str(value)[:_TEXT_CHARS]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_short)
