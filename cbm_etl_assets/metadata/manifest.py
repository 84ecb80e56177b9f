"""The manifest of one extraction: what the raw files hold, and the proof that they are whole.

Layout: `<lake>/raw/<table>/<seq:012d>/part-00000.parquet ... manifest.json`. The manifest is written last: a folder
without one is an unfinished extraction, never read. Raw files hold the source's columns under the source's names and
as the source gave them, plus `_key_hash` and `_hashdiff` (32 bytes each) computed over the ODS-bound values.
"""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RawFile(_Model):
    """One Parquet file: `name` relative to the manifest, `sha256` in hexadecimal."""

    name: str
    rows: int
    bytes: int
    sha256: str


class Manifest(_Model):
    """`t0` is the SOURCE's clock (naive, source zone) read before the first row. `mode` is full|incremental|partition.

    `high_water` is the greatest cursor value read (naive local time), None without a cursor or without rows.
    `partitions` are the partition keys covered (empty = not a partition load). `query` is the statement without values.
    `after_seq` is the last load ODS had taken when this one began: a number between the two was published and never applied.
    """

    version: int = 1
    table: str
    seq: int
    run_id: str
    mode: str
    partitions: tuple[str, ...] = ()
    t0: dt.datetime
    started_at_utc: dt.datetime
    ended_at_utc: dt.datetime
    rows: int
    bytes: int
    files: tuple[RawFile, ...]
    columns: list[dict[str, str]]
    query: str
    parameters: list[str] = []
    high_water: dt.datetime | None = None
    hash_version: int = 1
    hash_columns: tuple[str, ...] = ()
    reader: str = ""
    after_seq: int | None = None
    checksum: str = (
        ""  # SHA-256 of the text before it, in the file; written and verified by the lake, empty in memory. Stays the last field.
    )
