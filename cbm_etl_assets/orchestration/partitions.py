"""Dagster partitions of a table, with the very keys of `metadata.partitions`.

Owns the Dagster form of a PartitionSpec, the mapping of a dependency, and the arithmetic of keys: adjacent runs, the
source-day key, the keys a load covers. Reads no instance.
"""

import datetime as dt
from collections.abc import Iterable
from zoneinfo import ZoneInfo

import dagster as dg

from cbm_etl_assets.metadata.partitions import floor_to_grain, next_start, parse_key, partition_keys
from cbm_etl_assets.metadata.spec import PartitionGrain, PartitionSpec, TableSpec

KEY_FORMAT = "%Y-%m-%d"
MONDAY = 1  # Dagster counts the days of a week from Sunday.


def partitions_def(partition: PartitionSpec | None, timezone: str) -> dg.TimeWindowPartitionsDefinition | None:
    """end_offset=1: the partition of the running day exists, so a scheduled load has somewhere to stand."""
    if partition is None:
        return None
    start = floor_to_grain(partition.start, partition.grain).isoformat()
    if partition.grain is PartitionGrain.WEEK:
        return dg.WeeklyPartitionsDefinition(start, day_offset=MONDAY, timezone=timezone, fmt=KEY_FORMAT, end_offset=1)
    if partition.grain is PartitionGrain.MONTH:
        return dg.MonthlyPartitionsDefinition(start, timezone=timezone, fmt=KEY_FORMAT, end_offset=1)
    return dg.DailyPartitionsDefinition(start, timezone=timezone, fmt=KEY_FORMAT, end_offset=1)


def dependency_mapping(table: TableSpec, upstream: TableSpec) -> dg.PartitionMapping | None:
    """None = Dagster's own. Partitions that differ overlap in time, and the upstream may start later than the table."""
    if table.partition is None or upstream.partition is None or table.partition == upstream.partition:
        return None
    return dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)


def source_day(moment: dt.datetime, timezone: str) -> dt.date:
    """The source's calendar day at an aware instant."""
    return moment.astimezone(ZoneInfo(timezone)).date()


def key_of_day(grain: PartitionGrain, day: dt.date) -> str:
    return floor_to_grain(day, grain).isoformat()


def adjacent_groups(partition: PartitionSpec, keys: Iterable[str]) -> list[tuple[str, ...]]:
    """Keys in order, cut where a partition between two of them is not asked for. Raises: ConfigurationError on an unknown key."""
    groups: list[list[dt.date]] = []
    for day in sorted({parse_key(partition, key) for key in keys}):
        if groups and next_start(groups[-1][-1], partition.grain) == day:
            groups[-1].append(day)
        else:
            groups.append([day])
    return [tuple(day.isoformat() for day in group) for group in groups]


def keys_until(partition: PartitionSpec, day: dt.date) -> tuple[str, ...]:
    """Every key from the first partition to the one that holds `day`."""
    return tuple(partition_keys(partition, partition.start, day))
