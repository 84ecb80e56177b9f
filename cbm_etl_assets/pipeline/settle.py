"""The differing keys of a verification, looked at again: what is news, what is different.

Owns the second look. A row may change while the table is read, on both sides; so only keys that still differ when they are
read by name count, and the rule of `pipeline.pending` tells those the source changed since the last load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cbm_etl_assets.pipeline import digests as d
from cbm_etl_assets.pipeline.blocks import fresh_rows
from cbm_etl_assets.pipeline.keys import named_keys
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.pending import News, judge
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets.pipeline.sides import Sides
from cbm_etl_assets.transform.names import KEY_HASH
from cbm_etl_assets.warehouse.port import TableState

# A key that differs in another way at every look changes faster than it can be read: its last state is reported.
LOOKS = 3


@dataclass
class Found:
    """Differing keys as `digests.differing_keys` gives them, and their rows on both sides."""

    keys: pl.DataFrame
    source: pl.DataFrame
    ods: pl.DataFrame

    def only(self, keep: pl.Series) -> Found:
        return Found(self.keys.filter(keep), self.source, self.ods)

    def rows(self, names: Sequence[str]) -> pl.DataFrame:
        """One row a key, the source's where it has one."""
        columns = [*names, *d.KEY]
        return pl.concat([self.source.select(columns), self.ods.select(columns)]).unique(d.KEY, keep="first", maintain_order=True)

    def differing_columns(self, names: Sequence[str]) -> dict[tuple[int, int], tuple[str, ...]]:
        """Key -> the columns that differ; `_key_hash` where no value does: filed under another row's key, or held twice."""
        different = self.keys.filter(pl.col("state") == "different").select(d.KEY)
        left, right = (side.join(different, on=d.KEY, how="semi").unique(d.KEY, keep="first") for side in (self.source, self.ods))
        both = left.join(right, on=d.KEY, how="inner", suffix="_ods")
        marks = both.select(*d.KEY, *(pl.col(n).ne_missing(pl.col(f"{n}_ods")).alias(f"differs_{i}") for i, n in enumerate(names)))
        return {
            (row[0], row[1]): tuple(n for n, is_other in zip(names, row[2:], strict=True) if is_other) or (KEY_HASH,)
            for row in marks.iter_rows()
        }

    def also(self, other: Found) -> Found:
        return Found(
            pl.concat([self.keys, other.keys]),
            pl.concat([self.source, other.source], how="diagonal"),
            pl.concat([self.ods, other.ods], how="diagonal"),
        )


@dataclass(frozen=True)
class Settled:
    """What stays different, and how many keys turned out to be pending."""

    found: Found
    pending: int


@dataclass(frozen=True)
class Settling:
    sides: Sides
    state: TableState
    run_id: str

    def settle(self, keys: pl.DataFrame, files: Sequence[Path]) -> Settled:
        """`files`: the first reading of the source. Raises: LoadError; BusyError when a key must be loaded once and cannot be."""
        sides = self.sides
        if not keys.height:
            return Settled(Found(keys, sides.no_rows(), sides.no_rows()), 0)
        last = Found(keys, sides.chosen(sides.source(files), keys), sides.chosen(sides.ods(), keys))
        if sides.spec.primary_key:
            last = self._looked_again(last)
        news = pl.Series(judge(sides, last.keys, self.state), dtype=pl.String)
        settled, to_load = last.only(news == News.DIFFERENT), last.only(news == News.LOAD)
        pending = last.keys.height - settled.keys.height - to_load.keys.height
        if not to_load.keys.height:
            return Settled(settled, pending)
        loaded = self._loaded_once(to_load)
        return Settled(settled.also(loaded), pending + to_load.keys.height - loaded.keys.height)

    def key_table(self, found: Found) -> pl.DataFrame:
        """The keys of `found.keys`: target columns and `_key_hash`."""
        return self.sides.key_table(found.rows(self.sides.names).join(found.keys.select(d.KEY), on=d.KEY, how="semi"))

    def _looked_again(self, found: Found) -> Found:
        """Until a look shows what the one before showed: then nobody is changing these rows any more."""
        for _ in range(LOOKS):
            again = self._look(found)
            is_stable = again.keys.select(*d.KEY, "state", "d1").equals(found.keys.select(*d.KEY, "state", "d1"))
            found = again
            if is_stable or not found.keys.height:
                break
        return found

    def _look(self, found: Found) -> Found:
        sides = self.sides
        wanted = self.key_table(found).to_arrow(compat_level=pl.CompatLevel.oldest())
        keys = named_keys(sides.platform.source, sides.spec, wanted).drop_columns([KEY_HASH])
        source = sides.no_rows()
        if keys.num_rows:
            with fresh_rows(sides.platform, sides.spec, keys) as fresh:
                source = sides.chosen(sides.source(fresh.files), found.keys)
        ods = sides.chosen(sides.ods(), found.keys)
        digests = [*d.KEY, "d1", "d2", "c"]
        return Found(d.differing_keys(source.select(digests), ods.select(digests), has_key=True), source, ods)

    def _loaded_once(self, found: Found) -> Found:
        """No cursor tells whether the source changed these rows: a load of them does. What differs after it is different."""
        if not self.sides.spec.primary_key:
            return found
        keys = self.key_table(found).to_arrow(compat_level=pl.CompatLevel.oldest())
        load_table(self.sides.platform, self.sides.spec, LoadOptions(Mode.REPAIR, run_id=self.run_id, keys=keys))
        return self._look(found)
