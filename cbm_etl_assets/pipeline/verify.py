"""The replication certificate: rows re-read from the source now against rows read back from ODS now.

Owns the order of things: measure both sides, narrow a difference by buckets to its keys, have those looked at again, write
the certificate. Never uses our counters, a stored hash or a raw file to say that something is equal. Declared cleaning and
masks are applied to both sides.

Cost: one read of the source and one of ODS, 40 bytes of memory a row and side, batches of 2 million cells; the differing
keys are read again at most four times, up to 20,000 of them.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from cbm_etl_assets.errors import LakeError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline import digests as d
from cbm_etl_assets.pipeline.blocks import Fresh, fresh_rows
from cbm_etl_assets.pipeline.certificate import MAX_KEYS, Certificate, ColumnProof, KeyDifference, Verdict
from cbm_etl_assets.pipeline.circuits import guarded
from cbm_etl_assets.pipeline.drift import preview
from cbm_etl_assets.pipeline.pending import beyond_watermark
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.settle import Found, Settling
from cbm_etl_assets.pipeline.sides import Sides
from cbm_etl_assets.warehouse.port import TableState


def verify(platform: Platform, spec: TableSpec, run_id: str = "") -> Certificate:
    """Compare and record. Raises: LoadError when a side cannot be read, BusyError when a key must be loaded once and cannot be."""
    platform.control.upgrade()
    with guarded(platform):
        certificate = _Verification(platform, _comparable(platform, spec), run_id or str(uuid.uuid4())).run()
    platform.control.add_certificate(certificate.row())
    return certificate


def _comparable(platform: Platform, spec: TableSpec) -> TableSpec:
    """The spec a load would follow now, less the columns ODS has not taken on yet: the next load brings those."""
    if not platform.warehouse.state(spec.name).last_applied_seq:
        raise WarehouseError(f"Table '{spec.name}' was never loaded: there is nothing to verify.", remedy=f"cbm-etl run {spec.name}")
    followed = preview(platform, spec, is_first=False).spec
    known = {name.lower() for name in platform.warehouse.columns(spec.name)}
    named = {name.lower() for name in (*followed.primary_key, *(followed.cursor.columns if followed.cursor else ()))}
    kept = [c for c in followed.columns if c.exclude or c.name.lower() in named or known.issuperset(n.lower() for n in c.target_names)]
    if len(kept) == len(followed.columns):
        return followed
    fields = followed.model_dump(exclude_unset=True) | {"columns": [c.model_dump(exclude_unset=True) for c in kept], "quality": []}
    return TableSpec.model_validate(fields)


@dataclass(frozen=True)
class _Measures:
    """The first pass, and what became of its differences: `rest` are keys past MAX_KEYS, counted as they were first seen."""

    t0: dt.datetime
    source: d.Measured
    ods: d.Measured
    buckets: int
    found: Found
    rest: pl.DataFrame
    pending: int
    quarantined: int


@dataclass
class _Verification:
    platform: Platform
    spec: TableSpec
    run_id: str

    @cached_property
    def sides(self) -> Sides:
        return Sides(self.platform, self.spec)

    @cached_property
    def state(self) -> TableState:
        """As it was before the first row was read."""
        return self.platform.warehouse.state(self.spec.name)

    @cached_property
    def settling(self) -> Settling:
        return Settling(self.sides, self.state, self.run_id)

    def run(self) -> Certificate:
        started = self.platform.now()
        measures = self._measure()
        return self._certificate(started, measures)

    def _measure(self) -> _Measures:
        state, t0 = self.state, self.platform.source.clock()
        with fresh_rows(self.platform, self.spec) as fresh:
            source = self.sides.digester.measure(self.sides.source(fresh.files))
            ods = self.sides.digester.measure(self.sides.ods())
            buckets = d.differing_buckets(source, ods)
            left, right = (m.digests.filter(d.bucket_of().is_in(buckets.implode())) for m in (source, ods))
            set_aside = self._set_aside(fresh)
            keys = d.differing_keys(left, right, has_key=bool(self.spec.primary_key)).join(set_aside, on=d.KEY, how="anti")
            unclear = keys if keys.height <= MAX_KEYS else keys.filter(~beyond_watermark(keys, state))
            settled = self.settling.settle(unclear.head(MAX_KEYS), fresh.files)
        pending = settled.pending + keys.height - unclear.height
        return _Measures(t0, source, ods, buckets.len(), settled.found, unclear.slice(MAX_KEYS), pending, set_aside.height)

    def _set_aside(self, fresh: Fresh) -> pl.DataFrame:
        """k1, k2 of keys whose row cannot be loaded: found bad just now, or kept in quarantine until the next load looks again."""
        entries = self.platform.control.quarantine_entries(self.spec.name)
        hashes = {row.key_hash for row in fresh.bad} | {e.row.key_hash for e in entries if e.state == "open"}
        return pl.DataFrame({"hash": [bytes.fromhex(h) for h in sorted(hashes)]}, schema={"hash": pl.Binary}).select(d.key_words("hash"))

    def _certificate(self, started: dt.datetime, m: _Measures) -> Certificate:
        listed = self._listed(m.found)
        counted = d.count_states(pl.concat([m.found.keys, m.rest]), has_key=bool(self.spec.primary_key))
        equal = not any(counted.values())
        different = {name: sum(name in k.columns for k in listed) for name in self.sides.names}
        has_keys = bool(self.spec.primary_key and m.found.keys.height)
        return Certificate(
            table=self.spec.name, run_id=self.run_id, status=Verdict.EQUAL if equal else Verdict.DIFFERENT, started_at_utc=started,
            ended_at_utc=self.platform.now(), verified_through=self._through(m) if equal else None,
            seq=self.state.last_applied_seq, rows_source=m.source.rows, rows_ods=m.ods.rows, **counted, pending=m.pending,
            quarantined=m.quarantined,
            key_columns=self.spec.key_targets, keys=listed, truncated=bool(m.rest.height),
            columns=tuple(ColumnProof(n, m.source.columns[n], m.ods.columns[n], different[n]) for n in self.sides.names),
            fingerprints={
                "keys_source": m.source.key_fingerprint(), "keys_ods": m.ods.key_fingerprint(),
                "rows_source": m.source.content_fingerprint(), "rows_ods": m.ods.content_fingerprint(),
            },
            buckets_different=m.buckets, repair_keys=self.settling.key_table(m.found) if has_keys else None,
            misfiled=self.sides.misfiled(m.found.ods) if has_keys else None,
        )  # fmt: skip

    def _through(self, m: _Measures) -> dt.datetime | None:
        """Source time up to which ODS is proven equal: now, or where the last load stands when something is still to come."""
        if not m.pending:
            return m.t0
        if self.state.watermark is not None:
            return min(self.state.watermark, m.t0)
        try:
            latest = self.platform.lake.latest(self.spec.name)
        except LakeError:
            return None  # equal all the same; only since when is unknown
        return latest.t0 if latest else None

    def _listed(self, found: Found) -> tuple[KeyDifference, ...]:
        if not self.spec.primary_key:
            return tuple(KeyDifference(str(row["state"]), (f"row {row['k1']:016x}",)) for row in found.keys.iter_rows(named=True))
        columns = found.differing_columns(self.sides.names)
        values = found.rows(self.sides.names).select(*d.KEY, *(pl.col(n).alias(f"key_{i}") for i, n in enumerate(self.spec.key_targets)))
        joined = found.keys.select(*d.KEY, "state").join(values, on=d.KEY, how="inner")
        listed = [KeyDifference(str(row[2]), row[3:], columns.get(row[:2], ())) for row in joined.iter_rows()]
        return tuple(sorted(listed, key=lambda k: (k.kind, str(k.key))))
