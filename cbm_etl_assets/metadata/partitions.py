"""Date partitions of a table: keys, bounds, ranges. Pure; a key is the ISO date of the partition's first day.

day -> '2026-03-01'; week -> its Monday; month -> its first day. Bounds are naive stamps in the source's zone, half-open.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import pairwise

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.metadata.spec import PartitionGrain, PartitionSpec


def floor_to_grain(day: dt.date, grain: PartitionGrain) -> dt.date:
    if grain is PartitionGrain.WEEK:
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if grain is PartitionGrain.MONTH else day


def next_start(start: dt.date, grain: PartitionGrain) -> dt.date:
    if grain is PartitionGrain.MONTH:
        return (start.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return start + dt.timedelta(days=7 if grain is PartitionGrain.WEEK else 1)


def partition_keys(partition: PartitionSpec, first: dt.date, last: dt.date) -> Iterator[str]:
    """Keys of the partitions that hold the days first..last, both included, none before the spec's start."""
    start = floor_to_grain(max(first, partition.start), partition.grain)
    while start <= last:
        yield start.isoformat()
        start = next_start(start, partition.grain)


def parse_key(partition: PartitionSpec, key: str) -> dt.date:
    """Raises: ConfigurationError when the key is no partition of the table."""
    try:
        day = dt.date.fromisoformat(key)
    except ValueError:
        day = dt.date.min
    first = floor_to_grain(partition.start, partition.grain)
    if day < first or floor_to_grain(day, partition.grain) != day:
        raise ConfigurationError(
            f"Partition '{key}' does not exist. Known: {partition.grain} partitions from {first.isoformat()} on, named by their first day."
        )
    return day


def bounds(partition: PartitionSpec, keys: tuple[str, ...]) -> tuple[dt.datetime | None, dt.datetime]:
    """[lower, upper) over a run of adjacent partitions; lower is None when the first partition is among them.

    Raises: ConfigurationError when a key is unknown or the keys leave a hole.
    """
    days = sorted(parse_key(partition, key) for key in keys)
    for left, right in pairwise(days):
        if next_start(left, partition.grain) != right:
            raise ConfigurationError(f"Partitions must be adjacent in one load: nothing between {left} and {right}.")
    is_first = days[0] == floor_to_grain(partition.start, partition.grain)
    lower = None if is_first else dt.datetime.combine(days[0], dt.time())
    return lower, dt.datetime.combine(next_start(days[-1], partition.grain), dt.time())
