"""Pending or different: has the source changed a row since the last load, or should ODS hold it already?

Owns the rule. Where the cursor alone cannot tell, what the loads since the last complete read were given decides - never
whether a row is equal, only whether a difference is news. Without raw files the cautious answer is `different`, or one load.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl
import pyarrow as pa

from cbm_etl_assets.errors import LakeError
from cbm_etl_assets.metadata.manifest import Manifest
from cbm_etl_assets.metadata.spec import CursorPrecision, TableSpec
from cbm_etl_assets.pipeline.digests import KEY, key_words, same_kind
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.pipeline.sides import Sides
from cbm_etl_assets.transform.names import HASH_VERSION, HASHDIFF, KEY_HASH
from cbm_etl_assets.warehouse.port import TableState


class News(StrEnum):
    PENDING = "pending"
    DIFFERENT = "different"
    LOAD = "load"  # nothing tells: load the row once and compare again


@dataclass(frozen=True)
class Delivered:
    """What loads since the last complete read were given of some keys: k1, k2, r1 (content; NULL where only the key was read), rn."""

    is_complete: bool
    rows: pl.DataFrame


def applied(manifests: Sequence[Manifest], last_applied_seq: int) -> list[Manifest]:
    """Without the loads that were killed or refused between their publication and their commit: ODS was never given those rows."""
    starts = [(m.seq, m.after_seq) for m in manifests if m.after_seq is not None]
    return [m for m in manifests if m.seq <= last_applied_seq and not any(seq > m.seq > after for seq, after in starts)]


def delivered(sides: Sides, wanted: pl.DataFrame, state: TableState) -> Delivered:
    since_seq = state.last_full_seq
    found: list[pl.DataFrame] = []
    manifests: list[Manifest] = []
    try:
        published = sides.platform.lake.manifests(sides.spec.name)
        manifests = [m for m in applied(published, state.last_applied_seq) if m.seq >= since_seq]
        for manifest in manifests:
            found.extend(_delivered_by(sides, manifest, wanted))
    except LakeError:
        # A damaged raw file takes the evidence away, not the comparison: then nothing counts as news without a load.
        return Delivered(False, _nothing())
    if not found:
        return Delivered(any(m.seq == since_seq for m in manifests), _nothing())
    latest = pl.concat(found).group_by([*KEY, "seq"]).agg(pl.col("r1").drop_nulls().first(), pl.len().alias("rn")).sort("seq")
    rows = latest.group_by(KEY).agg(pl.col("r1").drop_nulls().last(), pl.col("rn").last())
    return Delivered(any(m.seq == since_seq for m in manifests), rows)


def _delivered_by(sides: Sides, manifest: Manifest, wanted: pl.DataFrame) -> list[pl.DataFrame]:
    transform = sides.transform
    is_comparable = (
        manifest.mode != Mode.SWEEP and manifest.hash_version == HASH_VERSION and same_kind(transform, sides.schema)
        and tuple(manifest.hash_columns) == transform.hash_columns
    )  # fmt: skip
    found = []
    for batch in sides.platform.lake.read(manifest, columns=[KEY_HASH, HASHDIFF]):
        plain = pa.Table.from_batches([batch]).cast(pa.schema([(n, pa.binary()) for n in batch.schema.names]))
        words = pl.DataFrame(pl.from_arrow(plain)).select(*key_words(KEY_HASH), key_words(HASHDIFF)[0].alias("r1"))
        chosen = words.join(wanted.select(KEY), on=KEY, how="semi")
        if not is_comparable:
            chosen = chosen.with_columns(pl.lit(None, dtype=pl.UInt64).alias("r1"))
        found.append(chosen.with_columns(pl.lit(manifest.seq).alias("seq")))
    return found


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={"k1": pl.UInt64, "k2": pl.UInt64, "r1": pl.UInt64, "rn": pl.UInt32})


def beyond_watermark(found: pl.DataFrame, state: TableState) -> pl.Series:
    """Rows stamped after the watermark: the next incremental brings them. For more keys than can be judged one by one."""
    if state.watermark is None:
        return pl.Series([False] * found.height, dtype=pl.Boolean)
    return found.select((pl.col("c") > state.watermark).fill_null(False) & (pl.col("state") != "extra")).to_series()


def judge(sides: Sides, found: pl.DataFrame, state: TableState) -> list[News]:
    """One answer a differing key (columns k1, k2, state, c, d1, n, n_ods), in order."""
    known = delivered(sides, found, state)
    rows = found.join(known.rows, on=KEY, how="left", maintain_order="left")
    one = _judge_row if sides.spec.primary_key else _judge_multiset
    return [one(row, sides.spec, state, known.is_complete) for row in rows.iter_rows(named=True)]


def _judge_row(row: dict[str, object], spec: TableSpec, state: TableState, is_complete: bool) -> News:
    if row["state"] == "extra":
        # The last complete read, or a load since, still saw it at the source: deleted there since.
        return News.PENDING if row["rn"] is not None else News.DIFFERENT
    was_delivered = row["rn"] is not None
    if was_delivered and row["r1"] == row["d1"]:
        return News.DIFFERENT  # the source has not changed since ODS was given this very row
    cursor = row["c"]
    if not isinstance(cursor, dt.datetime) or spec.cursor is None:
        return News.LOAD
    if state.watermark is not None and cursor > state.watermark:
        return News.PENDING
    knows = (was_delivered and row["r1"] is not None) or (is_complete and not was_delivered)
    return News.PENDING if knows and cursor >= _read_again_from(spec, state) else News.DIFFERENT


def _read_again_from(spec: TableSpec, state: TableState) -> dt.datetime:
    """Where the next incremental starts: W - L, a whole day for a DATE cursor."""
    if spec.cursor is None or state.watermark is None:
        return dt.datetime.min
    lower = state.watermark - spec.cursor.lookback
    return dt.datetime.combine(lower.date(), dt.time()) if spec.cursor.precision is CursorPrecision.DATE else lower


def _judge_multiset(row: dict[str, object], _: TableSpec, __: TableState, is_complete: bool) -> News:
    """Without a key: pending when ODS holds the row exactly as often as the last load was given it."""
    given = row["rn"] or 0
    return News.PENDING if is_complete and given == row["n_ods"] else News.DIFFERENT
