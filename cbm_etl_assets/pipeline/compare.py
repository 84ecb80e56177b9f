"""Source = ODS, proven: the source is read again and compared value by value with the rows read back from the warehouse.

Owns the comparison. Uses none of our counters, stored hashes or raw files of a load. A row that changed at the source since
the last load counts as different: compare right after a load, or while the source is quiet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.pipeline.blocks import column_blocks, count_rows, fresh_extraction, read_block
from cbm_etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    import polars as pl

SAMPLE = 20
_KEY = "_compare_key_{}"
_SEEDS = (0, 1)  # two 64-bit digests of a row: 128 bits, so that an accidental match is out of the question


@dataclass(frozen=True)
class Comparison:
    """`missing` keys are in the source only, `extra` in the ODS only, `different` in both with other values.

    `columns`: column -> keys whose value differs. `sample`: up to 20 such keys, masked as the spec says.
    Without a key rows are compared as a multiset: they are missing or extra, never different.
    """

    table: str
    rows_source: int
    rows_ods: int
    missing: int = 0
    extra: int = 0
    different: int = 0
    columns: dict[str, int] = field(default_factory=dict)
    sample: tuple[tuple[object, ...], ...] = ()

    @property
    def equal(self) -> bool:
        return self.rows_source == self.rows_ods and not (self.missing or self.extra or self.different)


def compare(platform: Platform, spec: TableSpec) -> Comparison:
    """Raises: LoadError when the source or the warehouse cannot be read."""
    with fresh_extraction(platform, spec) as files:
        sides = _Sides(platform, spec, files)
        return _by_key(sides) if spec.primary_key else _as_multiset(sides)


@dataclass(frozen=True)
class _Sides:
    platform: Platform
    spec: TableSpec
    files: Sequence[Path]

    @property
    def keys(self) -> list[ColumnSpec]:
        return [self.spec.column(name) for name in self.spec.primary_key]

    def rows(self) -> int:
        return count_rows(self.files)

    def read(self, columns: Sequence[ColumnSpec]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(source, ods), same columns and types."""
        source = read_block(self.platform, self.spec, self.files, columns)
        return source, self._ods(columns).cast(source.schema, strict=True)

    def _ods(self, columns: Sequence[ColumnSpec]) -> pl.DataFrame:
        import polars as pl

        names = [_quoted(name) for column in columns for name in column.target_names]
        # ANSI quoting and a literal-free predicate: every warehouse reads this.
        statement = " ".join(("SELECT", ", ".join(names), "FROM", f"ods.{_quoted(self.spec.name)}", "WHERE NOT _is_deleted"))
        return pl.DataFrame(pl.from_arrow(self.platform.warehouse.arrow(statement)))


def _by_key(sides: _Sides) -> Comparison:
    import polars as pl

    keys, rows = sides.keys, sides.rows()
    source, ods = (_with_key(sides, frame) for frame in sides.read(keys))
    on = [_KEY.format(i) for i in range(len(keys))]
    missing, extra = _unmatched(source, ods, on), _unmatched(ods, source, on)
    differing = source.select(on).clear()
    columns: dict[str, int] = {}
    others = [c for c in sides.spec.kept_columns if c not in keys]
    for block in column_blocks(others, rows):
        found = _differences(sides, [*keys, *block], on)
        columns |= {name: frame.height for name, frame in found}
        differing = pl.concat([differing, *(frame for _, frame in found)]).unique()
    columns |= _key_spelling(source, ods, on, sides.spec.key_targets)
    sample = pl.concat([missing.select(on), extra.select(on), differing]).head(SAMPLE)
    return Comparison(
        sides.spec.name, rows, ods.height, missing.height, extra.height, max(differing.height, *columns.values(), 0),
        dict(sorted(columns.items())), tuple(sample.rows()),
    )  # fmt: skip


def _with_key(sides: _Sides, frame: pl.DataFrame) -> pl.DataFrame:
    """Key columns as the spec compares them (OpenEdge: case and trailing blanks do not count) beside the values themselves."""
    import polars as pl

    from cbm_etl_assets.transform.hashing import comparable_text

    loose = sides.platform.transform(sides.spec).case_insensitive_keys

    def expression(index: int, column: ColumnSpec) -> pl.Expr:
        insensitive = loose if column.case_sensitive is None else not column.case_sensitive
        value = comparable_text(column.target_name) if insensitive and column.logical.is_text else pl.col(column.target_name)
        return value.alias(_KEY.format(index))

    return frame.with_columns(expression(i, c) for i, c in enumerate(sides.keys))


def _unmatched(left: pl.DataFrame, right: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """Rows of `left` without a partner, repeats of a key counted: the second of two rows has no partner in one."""
    import polars as pl

    def numbered(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.int_range(pl.len()).over(on).alias("_n"))

    return numbered(left).join(numbered(right), on=[*on, "_n"], how="anti", nulls_equal=True)


def _differences(sides: _Sides, columns: Sequence[ColumnSpec], on: list[str]) -> list[tuple[str, pl.DataFrame]]:
    """(column, keys whose value differs) for the non-key columns of a block that differ at all."""
    import polars as pl

    source, ods = (_with_key(sides, frame) for frame in sides.read(columns))
    both = source.unique(on, keep="first").join(ods.unique(on, keep="first"), on=on, how="inner", suffix="_ods", nulls_equal=True)
    names = [name for c in columns if c not in sides.keys for name in c.target_names]
    frames = ((name, both.filter(pl.col(name).ne_missing(pl.col(f"{name}_ods"))).select(on)) for name in names)
    return [(name, frame) for name, frame in frames if frame.height]


def _key_spelling(source: pl.DataFrame, ods: pl.DataFrame, on: list[str], names: Sequence[str]) -> dict[str, int]:
    """Keys that are equal as keys and differ as values ('abc' and 'ABC')."""
    import polars as pl

    both = source.unique(on, keep="first").join(ods.unique(on, keep="first"), on=on, how="inner", suffix="_ods", nulls_equal=True)
    counts = {name: both.filter(pl.col(name).ne_missing(pl.col(f"{name}_ods"))).height for name in names}
    return {name: count for name, count in counts.items() if count}


def _as_multiset(sides: _Sides) -> Comparison:
    import polars as pl

    source, ods = sides.read(sides.spec.kept_columns)
    left, right = _digests(source), _digests(ods)
    both = left.join(right, on=["a", "b"], how="full", coalesce=True, suffix="_ods").with_columns(
        pl.col("n", "n_ods").fill_null(0).cast(pl.Int64)
    )
    gap = both.select(pl.col("n") - pl.col("n_ods")).to_series()
    return Comparison(
        sides.spec.name, source.height, ods.height, missing=int(gap.clip(lower_bound=0).sum()), extra=int((-gap).clip(lower_bound=0).sum())
    )


def _digests(frame: pl.DataFrame) -> pl.DataFrame:
    """How often each row occurs. Computed here, in this process, on both sides; never a stored hash."""
    import polars as pl

    hashes = [frame.hash_rows(seed=seed).alias(name) for seed, name in zip(_SEEDS, ("a", "b"), strict=True)]
    return pl.DataFrame(hashes).group_by("a", "b").agg(pl.len().alias("n"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
