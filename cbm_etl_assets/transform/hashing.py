"""Row hashes: `_hashdiff` over ODS-bound values, `_key_hash` over comparable key values. HASH_VERSION 1.

polars-hash `hash_rows` is an injective, length-prefixed, null-tagged encoding, neutral to decimal scale, integer width
and time unit; its "version 1" is frozen upstream. Columns are ordered by target name, so a reordered source column
changes nothing. Golden values: cbm_etl_assets_tests/unit/transform/test_hashing.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import polars_hash as plh

_ENCODING_VERSION = 1


def row_hash(expressions: Sequence[pl.Expr]) -> pl.Expr:
    """SHA-256 of the encoded row: Binary of 32 bytes, never NULL. No column at all hashes a constant."""
    row = list(expressions) or [pl.lit(0, dtype=pl.Int8)]
    encoded: pl.Expr = plh.hash_rows(row, version=_ENCODING_VERSION).chash.sha2_256()
    return encoded.str.decode("hex")


def comparable_text(column: str) -> pl.Expr:
    """A text key as OpenEdge compares it: no trailing blanks, no case.

    Lower case, not upper: upper turns 'ß' into 'SS' and would merge two keys the source keeps apart.
    """
    return pl.col(column).str.strip_chars_end(" ").str.to_lowercase()


def occurrence_keys(hashdiffs: pl.Series) -> pl.Series:
    """`_key_hash` of rows without a key: the row hash and the how-manieth of its equals it is (a multiset).

    Input: Binary of 32 bytes, all rows of the load in any order. Output: same length; the set of results does not
    depend on the order.
    """
    frame = pl.DataFrame({"h": hashdiffs})
    nth = pl.int_range(pl.len()).over("h")
    return frame.select(row_hash([pl.col("h"), nth]).alias("_key_hash")).to_series()
