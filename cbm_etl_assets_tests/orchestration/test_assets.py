"""What Dagster shows of a catalogue: keys, lineage, partitions, jobs, schedules."""

import datetime as dt

import dagster as dg
import pytest

from cbm_etl_assets.errors import UnknownTableError
from cbm_etl_assets.metadata.partitions import partition_keys
from cbm_etl_assets.orchestration.jobs import by_grain, table_groups
from cbm_etl_assets.orchestration.names import cron_slug, op_name, owner
from cbm_etl_assets.orchestration.schedules import run_request, scheduled_groups
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.settings import Settings
from cbm_etl_assets_tests.orchestration.helpers import catalog, daily, definitions, spec


def test_three_assets_a_table_in_a_line(settings: Settings) -> None:
    client = daily("client", group="ventes", owners=["bi@exemple.fr", "team:Compta"], tags={"domaine": "tiers"})
    specs = catalog(client, spec("lignecli", depends_on=["client"]))
    graph = definitions(specs, settings).resolve_asset_graph()
    assert {k.to_user_string() for k in graph.get_all_asset_keys()} == {f"{layer}/{t}" for t in specs for layer in ("raw", "stg", "ods")}
    lineage = {k.to_user_string(): {p.to_user_string() for p in graph.get(k).parent_keys} for k in graph.get_all_asset_keys()}
    assert lineage["stg/client"] == {"raw/client"}
    assert lineage["ods/client"] == {"stg/client"}
    assert lineage["raw/client"] == set()
    assert lineage["raw/lignecli"] == {"ods/client"}
    node = graph.get(dg.AssetKey(["raw", "client"]))
    assert node.group_name == "ventes"
    assert set(node.owners) == {"bi@exemple.fr", "team:Compta"}
    assert {"openedge", "parquet"} <= node.kinds
    assert node.tags["domaine"] == "tiers"
    ods = graph.get(dg.AssetKey(["ods", "client"]))
    assert "duckdb" in ods.kinds
    assert ods.freshness_policy == dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(hours=36), warn_window=dt.timedelta(hours=24))
    schema = ods.metadata["dagster/column_schema"]
    assert [c.name for c in schema.columns][:4] == ["cod_cli", "iban", "dat_mod", "_key_hash"]
    assert schema.columns[0].description == "Code client"


@pytest.mark.parametrize(("grain", "start"), [("day", "2026-02-10"), ("week", "2026-02-11"), ("month", "2026-02-10")])
def test_partition_keys_are_those_of_the_loader(settings: Settings, grain: str, start: str) -> None:
    table = daily("client", start=start, grain=grain)
    partitions = definitions(catalog(table), settings).resolve_asset_graph().get(dg.AssetKey(["ods", "client"])).partitions_def
    assert partitions is not None
    assert table.partition is not None
    now = dt.datetime(2026, 5, 20, 23, 30, tzinfo=dt.UTC)  # already the 21st in Paris
    expected = list(partition_keys(table.partition, table.partition.start, dt.date(2026, 5, 21)))
    assert partitions.get_partition_keys(current_time=now) == expected


def test_unpartitioned_without_a_partition_spec(settings: Settings) -> None:
    graph = definitions(catalog(spec("lignecli")), settings).resolve_asset_graph()
    assert graph.get(dg.AssetKey(["ods", "lignecli"])).partitions_def is None


def test_unknown_dependency_is_refused(settings: Settings) -> None:
    with pytest.raises(UnknownTableError, match=r"Unknown table 'clients'\. Known: lignecli"):
        definitions(catalog(spec("lignecli", depends_on=["clients"])), settings)


def test_jobs_by_priority_group_and_tag(settings: Settings) -> None:
    specs = catalog(daily("client", priority="critical", tags={"domaine": "tiers-co"}), spec("class"))
    jobs = {j.name for j in definitions(specs, settings).resolve_all_job_defs()}
    assert jobs == {
        "__ASSET_JOB", "all_tables", "priority_critical", "priority_normal", "group_default", "tag_domaine_tiers_co", "verify_all",
            "maintenance",
    }  # fmt: skip


def test_a_grain_of_its_own_gets_a_job_of_its_own() -> None:
    groups = by_grain("all_tables", [daily("client"), daily("stock", grain="month"), spec("lignecli")], "All tables")
    assert {g.name: [s.name for s in g.tables] for g in groups} == {"all_tables": ["client", "lignecli"], "all_tables_month": ["stock"]}


def test_tables_of_one_grain_with_different_starts_share_a_job(settings: Settings) -> None:
    specs = catalog(daily("client"), daily("stock", start="2026-03-01", depends_on=["client"]), spec("lignecli"))
    job = definitions(specs, settings).resolve_job_def("all_tables")
    assert {n.name for n in job.graph.nodes} == {op_name(t) for t in specs}
    assert len(table_groups(specs.values())) == 3


def test_schedules_group_by_cron_zone_and_mode(settings: Settings) -> None:
    nightly = {"cron": "0 2 * * *", "timezone": "Europe/Paris", "mode": "incremental"}
    specs = catalog(
        daily("client", schedule=nightly), spec("lignecli", schedule={**nightly, "mode": "full"}), daily("stock", schedule=nightly),
        spec("fournis", schedule={**nightly, "enabled": False}),
    )  # fmt: skip
    loaded = definitions(specs, settings)
    found = {s.name: s for s in loaded.schedules or []}
    expected = {"incremental_0_2_x_x_x_schedule", "full_0_2_x_x_x_schedule", "incremental_0_2_x_x_x_off_schedule"}
    expected |= {"verify_all_schedule", "maintenance_schedule"}
    assert set(found) == expected
    nightly_schedule = found["incremental_0_2_x_x_x_schedule"]
    assert isinstance(nightly_schedule, dg.ScheduleDefinition)
    assert nightly_schedule.execution_timezone == "Europe/Paris"
    assert nightly_schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    off = found["incremental_0_2_x_x_x_off_schedule"]
    assert isinstance(off, dg.ScheduleDefinition)
    assert off.default_status is dg.DefaultScheduleStatus.STOPPED


def test_a_scheduled_run_stands_on_the_day_of_the_source() -> None:
    late = dt.datetime(2026, 11, 21, 23, 30, tzinfo=dt.UTC)  # 00:30 of the 22nd in Paris
    schedule = {"cron": "30 0 * * *", "mode": "full"}
    [(_, group)] = scheduled_groups([daily("client", schedule=schedule), spec("lignecli", schedule=schedule)])
    request = run_request(group, Mode.FULL, late, "Europe/Paris")
    assert request.partition_key == "2026-11-22"
    assert request.run_config == {"resources": {"load_options": {"config": {"mode": "full"}}}}
    [(_, alone)] = scheduled_groups([spec("lignecli", schedule=schedule)])
    assert run_request(alone, Mode.FULL, late, "Europe/Paris").partition_key is None
    [(_, mixed)] = scheduled_groups([daily("client", schedule=schedule), daily("stock", start="2026-03-01", schedule=schedule)])
    assert run_request(mixed, Mode.FULL, late, "Europe/Paris").tags["dagster/partition"] == "2026-11-22"


def test_names_dagster_accepts() -> None:
    assert op_name("output") == "load_output"
    assert owner("Compta") == "team:Compta"
    assert cron_slug("*/5 2-4 * * 1,3") == "x_per_5_2_to_4_x_x_1_and_3"
