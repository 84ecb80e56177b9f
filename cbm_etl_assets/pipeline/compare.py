"""Source = ODS at this moment: the first pass of a verification, without its patience.

Owns the short answer. A row that changed at the source since the last load counts as different: compare right after a load, or
while the source is quiet. `pipeline.verify` tells what is pending, and certifies.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.blocks import fresh_extraction
from cbm_etl_assets.pipeline.certificate import MAX_KEYS
from cbm_etl_assets.pipeline.platform import Platform

SAMPLE = 20


@dataclass(frozen=True)
class Comparison:
    """`missing` keys are in the source only, `extra` in the ODS only, `different` in both with other values.

    `columns`: column -> keys whose value differs, among the first MAX_KEYS. `sample`: up to 20 such keys, masked as the spec says.
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
    from cbm_etl_assets.pipeline import digests as d
    from cbm_etl_assets.pipeline.settle import Found
    from cbm_etl_assets.pipeline.sides import Sides

    sides = Sides(platform, spec)
    with fresh_extraction(platform, spec) as files:
        source = sides.digester.measure(sides.source(files))
        ods = sides.digester.measure(sides.ods())
        keys = d.differing_keys(source.digests, ods.digests, has_key=bool(spec.primary_key))
        listed = keys.head(MAX_KEYS)
        counted = d.count_states(keys, has_key=bool(spec.primary_key))
        answer = Comparison(spec.name, source.rows, ods.rows, counted["missing"], counted["extra"], counted["different"])
        if not listed.height or not spec.primary_key:
            return answer
        found = Found(listed, sides.chosen(sides.source(files), listed), sides.chosen(sides.ods(), listed))
    columns = Counter(name for differing in found.differing_columns(sides.names).values() for name in differing)
    sample = found.rows(sides.names).select(spec.key_targets).head(SAMPLE).rows()
    return replace(answer, columns=dict(sorted(columns.items())), sample=tuple(sample))
