"""Jobs: all tables, and one a priority, group and tag.

A Dagster run stands on one partition key, so a job holds tables of one grain and the unpartitioned ones; other grains
get a job of their own with the grain at the end of the name.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg

from cbm_etl_assets.metadata.spec import PartitionGrain, TableSpec
from cbm_etl_assets.orchestration.checks import check_specs
from cbm_etl_assets.orchestration.internals import Job, mixed_job
from cbm_etl_assets.orchestration.names import LAYERS, asset_key, safe


@dataclass(frozen=True)
class TableGroup:
    """Tables that one run can load: `grain` is None when none is partitioned."""

    name: str
    tables: tuple[TableSpec, ...]
    description: str = ""

    @property
    def grain(self) -> PartitionGrain | None:
        return next((s.partition.grain for s in self.tables if s.partition), None)

    @property
    def has_one_calendar(self) -> bool:
        """One partitions definition, so that Dagster knows the job's partitions."""
        return len({s.partition for s in self.tables if s.partition}) <= 1


def by_grain(name: str, specs: Sequence[TableSpec], description: str) -> list[TableGroup]:
    """The unpartitioned tables go with the grain that has most tables (day wins a draw), which keeps the plain name."""
    grains: dict[PartitionGrain, list[TableSpec]] = defaultdict(list)
    for spec in specs:
        if spec.partition:
            grains[spec.partition.grain].append(spec)
    if not grains:
        return [TableGroup(name, tuple(specs), description)] if specs else []
    first = max(PartitionGrain, key=lambda g: len(grains.get(g, ())))
    groups = []
    for grain in sorted(grains, key=lambda g: g is not first):
        kept = [s for s in specs if (s.partition.grain if s.partition else first) is grain]
        label = name if grain is first else f"{name}_{grain.value}"
        groups.append(TableGroup(label, tuple(kept), description if len(grains) == 1 else f"{description} ({grain.value} partitions)"))
    return groups


def table_groups(specs: Iterable[TableSpec]) -> list[TableGroup]:
    """Every job's tables. Two labels that become one safe name share a job."""
    tables = list(specs)
    sets: dict[str, tuple[str, list[TableSpec]]] = {"all_tables": ("All tables", tables)}
    for spec in tables:
        labels = {f"priority_{spec.priority.value}": f"Tables of priority {spec.priority.value}"}
        labels[f"group_{safe(spec.group)}"] = f"Tables of group {spec.group}"
        for key, value in spec.tags.items():
            labels[f"tag_{safe(key)}_{safe(value)}"] = f"Tables tagged {key}={value}"
        for name, description in labels.items():
            sets.setdefault(name, (description, []))[1].append(spec)
    return [group for name, (description, members) in sets.items() for group in by_grain(name, members, description)]


def selection(group: TableGroup, extra: Sequence[dg.AssetKey] = ()) -> dg.AssetSelection:
    keys = [asset_key(layer, spec.name) for spec in group.tables for layer in LAYERS]
    assets = dg.AssetSelection.assets(*keys, *extra).without_checks()  # a certificate reads the whole table again: not with every load
    rules = [check.key for spec in group.tables for check in check_specs(spec)]
    return assets | dg.AssetSelection.checks(*rules) if rules else assets


def build_job(group: TableGroup, assets: dg.Definitions, extra: Sequence[dg.AssetKey] = ()) -> Job:
    chosen = selection(group, extra)
    if group.has_one_calendar:
        return dg.define_asset_job(group.name, chosen, description=group.description)
    # Same grain, different starts: their keys agree, so one run can load them all.
    return mixed_job(group.name, assets, chosen, group.description)
