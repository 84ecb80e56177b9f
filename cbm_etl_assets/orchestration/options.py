"""How a run says what it wants: a mode a run, a mode a table, and the loads that follow from them.

Owns the run configuration and its reading. Dagster's partition keys come in as plain text.
"""

from collections.abc import Sequence
from typing import Literal

import dagster as dg

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.partitions import adjacent_groups
from cbm_etl_assets.pipeline.results import LoadOptions, Mode

ModeName = Literal["auto", "full", "incremental", "partition"]


class LoadConfig(dg.Config):
    """`ops: {load_client: {config: {mode: full}}}`: one table's mode; auto leaves it to the run."""

    mode: ModeName = "auto"
    skip_validation: bool = False


class RunOptions(dg.ConfigurableResource):  # type: ignore[type-arg]  # its parameter is the class itself
    """`resources: {load_options: {config: {mode: full}}}`: the mode of every table of the run.

    auto: launched on partitions = load those partitions; otherwise a first load is full, the next ones incremental.
    full and incremental read rows of any date, whatever partition the run is launched on.
    """

    mode: ModeName = "auto"
    skip_validation: bool = False


def run_config(mode: Mode) -> dict[str, object]:
    return {"resources": {"load_options": {"config": {"mode": mode.value}}}}


def plan_loads(spec: TableSpec, mode: Mode, keys: Sequence[str], run_id: str) -> list[LoadOptions]:
    """One load, or one a run of adjacent partitions. `keys` are the run's partitions of this table.

    Raises: ConfigurationError when partitions are asked for and none is named.
    """
    if spec.partition is None:
        return [LoadOptions(mode=Mode.AUTO if mode is Mode.PARTITION else mode, run_id=run_id)]
    if mode is Mode.PARTITION and not keys:
        raise ConfigurationError(
            f"Table '{spec.name}': mode partition without a partition.",
            remedy="launch it on partition keys, or use mode full or incremental",
        )
    if keys and mode in (Mode.AUTO, Mode.PARTITION):
        groups = adjacent_groups(spec.partition, keys)
        return [LoadOptions(mode=Mode.PARTITION, partitions=group, run_id=run_id) for group in groups]
    return [LoadOptions(mode=mode, run_id=run_id)]
