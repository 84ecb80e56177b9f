"""Is a load as large as usual: a robust z-score against past loads of the same mode, of the same weekday where there are enough.

Owns the arithmetic. Median and median absolute deviation instead of mean and deviation: one outlier of the past must not
hide the next one. Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993): 0.6745 (x - median) / MAD.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cbm_etl_assets.control.port import PastLoad

_WEEKDAY_LOADS = 4  # a month of Mondays; fewer say less than all days together
_SCALE = 0.6745
# A table that always has exactly 200 rows has a deviation of 0: 5 % of the median is the least that counts as usual.
_LEAST_PERCENT = 5


@dataclass(frozen=True)
class VolumeVerdict:
    """`score` None: too little history to tell."""

    score: float | None
    said: str


def judge_volume(rows: int, past: Sequence[PastLoad], now: dt.datetime, *, max_z: float, min_loads: int, weekday: bool) -> VolumeVerdict:
    """`now` and the past are naive UTC."""
    same_day = [load for load in past if load.started_utc.weekday() == now.weekday()]
    chosen, which = (same_day, f"{now:%A}s") if weekday and len(same_day) >= _WEEKDAY_LOADS else (list(past), "loads")
    if len(chosen) < min(min_loads, _WEEKDAY_LOADS if chosen is same_day else min_loads):
        return VolumeVerdict(None, f"{len(past)} past loads, {min_loads} needed")
    usual = float(median(load.rows_read for load in chosen))
    spread = float(median(abs(load.rows_read - usual) for load in chosen))
    least = max(1.0, usual * _LEAST_PERCENT / 100 * _SCALE)
    score = _SCALE * (rows - usual) / max(spread, least)
    return VolumeVerdict(score, f"{rows} rows, {usual:g} usual over {len(chosen)} {which}: z = {score:.1f}, {max_z:g} allowed")
