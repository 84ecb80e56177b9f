"""The only calls into Dagster's private modules, each for a reason and each held by a test.

Owns jobs over tables whose calendars start on different days, many materialisations in one transaction, and connections
kept open during a launch.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg
from dagster._core.definitions.assets.job.asset_job import build_asset_job, get_asset_graph_for_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.events import StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._time import get_current_timestamp
from sqlalchemy import Connection, Engine, create_engine

Job = dg.JobDefinition | UnresolvedAssetJobDefinition
BUSY_SECONDS = 60  # Dagster's own time-out of a locked SQLite file
BATCH = 500  # rows an INSERT: 10 columns each, SQLite takes 32,766 values.


def mixed_job(name: str, assets: dg.Definitions, chosen: dg.AssetSelection, description: str) -> dg.JobDefinition:
    """A job over several partitions definitions: define_asset_job refuses what Dagster's own __ASSET_JOB allows."""
    graph = get_asset_graph_for_job(assets.resolve_asset_graph(), chosen, allow_different_partitions_defs=True)
    return build_asset_job(
        name, graph, allow_different_partitions_defs=True, description=description, executor_def=dg.in_process_executor,
        resource_defs=assets.get_repository_def().get_top_level_resources(),
    )  # fmt: skip


def report_materializations(
    instance: dg.DagsterInstance, run: dg.DagsterRun, step_key: str, materializations: Sequence[dg.AssetMaterialization]
) -> None:
    """What `context.log_event` does for each, at once: 19,000 of them took 554 s one by one (two SQLite files opened for each)."""
    entries = [_entry(run, step_key, m) for m in materializations]
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        _store_in_sqlite(storage, run.run_id, entries)
    elif entries:
        storage.store_event_batch(entries)


def _entry(run: dg.DagsterRun, step_key: str, materialization: dg.AssetMaterialization) -> EventLogEntry:
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name=run.job_name,
        step_key=step_key,
        event_specific_data=StepMaterializationData(materialization),
        message=materialization.description or "Materialized value.",
    )
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None, level=10, user_message="", run_id=run.run_id, timestamp=get_current_timestamp(), step_key=step_key,
        job_name=run.job_name, dagster_event=event,
    )  # fmt: skip


def _store_in_sqlite(storage: SqliteEventLogStorage, run_id: str, entries: list[EventLogEntry]) -> None:
    """Its own batch loops over store_event. The run's file and the cross-run index get the same rows, as there."""
    last = list({e.get_dagster_event().asset_key: e for e in entries}.values())
    others = [e for e in entries if not any(e is one for one in last)]
    inserts = [storage.prepare_insert_event_batch(others[i : i + BATCH]) for i in range(0, len(others), BATCH)]
    singles = [storage.prepare_insert_event(entry) for entry in last]
    with storage.run_connection(run_id) as connection:
        for insert in [*inserts, *singles]:
            connection.execute(insert)
    with storage.index_transaction() as connection:
        for insert in inserts:
            connection.execute(insert)
        for entry, single in zip(last, singles, strict=True):
            # Each asset remembers its last event by the id it gets here.
            key = connection.execute(single).inserted_primary_key
            if key is None:
                raise AssertionError("SQLite gave the row no id")
            storage._store_asset_event(connection, entry, key[0])


@contextmanager
def kept_connections(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep one connection a SQLite file open meanwhile: Dagster opens and closes one an event, which recompiles each
    statement and makes SQLite checkpoint its log; the incremental of seven tables opened 660 of them.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        yield
        return
    engines: dict[str, Engine] = {}
    open_as_dagster_does = storage._connect

    @contextmanager
    def connect(shard: str) -> Iterator[Connection]:
        if shard not in engines:
            with open_as_dagster_does(shard):
                pass  # creates the file where it is new
            engines[shard] = create_engine(storage.conn_string_for_shard(shard), connect_args={"timeout": BUSY_SECONDS})
        with storage._db_lock, engines[shard].begin() as connection:
            yield connection

    storage.__dict__["_connect"] = connect
    try:
        yield
    finally:
        del storage.__dict__["_connect"]
        for engine in engines.values():
            engine.dispose()
