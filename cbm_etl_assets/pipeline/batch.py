"""Load several tables: dependencies first, by priority, side by side; one table's failure never stops the others."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from cbm_etl_assets.errors import BusyError, CbmError
from cbm_etl_assets.metadata.spec import Priority, TableSpec
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, OnEvent, Status
from cbm_etl_assets.reliability.redact import redact

_RANK = {Priority.CRITICAL: 0, Priority.HIGH: 1, Priority.NORMAL: 2}


def load_tables(
    platform: Platform, specs: Sequence[TableSpec], options: LoadOptions, *, threads: int = 1, on_event: OnEvent | None = None,
    continue_on_error: bool = True,
) -> list[LoadResult]:  # fmt: skip
    """Results in the order of `specs`; a failure is a LoadResult, what depends on it is SKIPPED and says so."""
    run = replace(options, run_id=options.run_id or str(uuid.uuid4()))
    platform.control.upgrade()
    platform.control.project_specs(list(platform.catalog.values()))
    waiting = {spec.name: spec for spec in specs}
    names = frozenset(waiting)
    done: dict[str, LoadResult] = {}
    with ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="load") as pool:
        running: dict[Future[LoadResult], str] = {}
        while waiting or running:
            _skip_blocked(waiting, done, run, stop=not continue_on_error and any(r.status is not Status.SUCCESS for r in done.values()))
            for spec in _ready(waiting, done, names)[: max(0, threads - len(running))]:
                running[pool.submit(_load_one, platform, waiting.pop(spec.name), run, on_event)] = spec.name
            if running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    done[running.pop(future)] = future.result()
    return [done[spec.name] for spec in specs]


def _ready(waiting: Mapping[str, TableSpec], done: Mapping[str, LoadResult], names: frozenset[str]) -> list[TableSpec]:
    """Tables whose dependencies within this run are done; critical first, then by name."""
    free = [s for s in waiting.values() if all(d in done for d in s.depends_on if d in names)]
    return sorted(free, key=lambda s: (_RANK[s.priority], s.name))


def _skip_blocked(waiting: dict[str, TableSpec], done: dict[str, LoadResult], run: LoadOptions, *, stop: bool) -> None:
    changed = True
    while changed:
        changed = False
        for name, spec in list(waiting.items()):
            failed = [d for d in spec.depends_on if d in done and done[d].status is not Status.SUCCESS]
            if failed or stop:
                why = (
                    f"depends on {', '.join(failed)}, which did not load" if failed else "an earlier table failed and --fail-fast was given"
                )
                done[name] = LoadResult(name, Status.SKIPPED, run.mode, run.run_id, error_message=f"Skipped: {why}.", exit_code=1)
                del waiting[name]
                changed = True


def _load_one(platform: Platform, spec: TableSpec, run: LoadOptions, on_event: OnEvent | None) -> LoadResult:
    try:
        return load_table(platform, spec, run, on_event)
    except Exception as error:  # noqa: BLE001  invariant 9: whatever befalls one table is that table's result, never the others'
        return LoadResult(
            table=spec.name,
            status=Status.BUSY if isinstance(error, BusyError) else Status.FAILED,
            mode=run.mode,
            run_id=run.run_id,
            error_class=type(error).__name__,
            error_message=redact(str(error)),
            exit_code=error.exit_code if isinstance(error, CbmError) else 1,
        )
