"""What one row rule has seen so far. Plain, so that reading a report imports neither polars nor pandera."""

from __future__ import annotations

from dataclasses import dataclass, field

from cbm_etl_assets.metadata.rules import Rule


@dataclass
class Tally:
    """`samples`: keys of the first failing rows."""

    rule: Rule
    checked: int = 0
    failed: int = 0
    seconds: float = 0.0
    samples: list[tuple[object, ...]] = field(default_factory=list)
