"""Load tables: lock -> seq -> extract -> stage -> apply -> log. The one verb that the CLI and Dagster share."""

from __future__ import annotations

from collections.abc import Sequence

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, OnEvent


def load_table(platform: Platform, spec: TableSpec, options: LoadOptions, on_event: OnEvent | None = None) -> LoadResult:
    """Load one table. Raises the typed errors of `errors` (BusyError, LoadError...), after the log row is closed."""
    raise NotImplementedError


def load_tables(
    platform: Platform, specs: Sequence[TableSpec], options: LoadOptions, *, threads: int = 1, on_event: OnEvent | None = None,
    continue_on_error: bool = True,
) -> list[LoadResult]:  # fmt: skip
    """Load several tables, dependencies first; one table's failure is a LoadResult, its dependants are SKIPPED."""
    raise NotImplementedError
