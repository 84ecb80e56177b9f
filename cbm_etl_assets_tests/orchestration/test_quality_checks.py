"""Quality rules as Dagster checks: declared a layer, evaluated by the load, complete whatever becomes of it."""

import dagster as dg

from cbm_etl_assets.errors import QualityError
from cbm_etl_assets.orchestration.build import build_defs
from cbm_etl_assets.orchestration.launch import LaunchOptions, run_tables
from cbm_etl_assets.pipeline.results import Mode, Status
from cbm_etl_assets.settings import Settings
from cbm_etl_assets_tests.line_fixture import Line, article_spec, line

__all__ = ["line"]

RULES = [
    "source_reachable",
    {"not_null": {"column": "Libelle"}},
    {"range": {"column": "qte", "min": 0, "blocking": True}},
    {"row_count": {"min": 1, "blocking": True}},
]


def run(line: Line, instance: dg.DagsterInstance, mode: Mode = Mode.FULL) -> tuple[Status, str]:
    catalog = {line.spec.name: line.spec}
    [result] = run_tables(instance, line.settings(), catalog, [line.spec], LaunchOptions(mode))
    return result.status, result.error_class


def evaluations(instance: dg.DagsterInstance) -> dict[str, dg.AssetCheckEvaluation]:
    [run, *_] = instance.get_runs(limit=1)
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    found = [r.event_log_entry.asset_check_evaluation for r in records]
    return {f"{e.asset_key.path[0]}/{e.check_name}": e for e in found if e is not None}


def test_every_rule_is_a_check_of_the_layer_it_judges(line: Line, instance: dg.DagsterInstance) -> None:
    line.spec = article_spec(quality=RULES)
    line.execute('UPDATE pub.article SET "Libelle" = NULL WHERE cod_art = %s', "A00005")
    assert run(line, instance) == (Status.SUCCESS, "")
    found = evaluations(instance)
    assert {name: e.passed for name, e in found.items()} == {
        "raw/source_reachable": True, "stg/not_null_Libelle": False, "stg/range_qte": True, "ods/row_count": True,
    }  # fmt: skip
    warned = found["stg/not_null_Libelle"]
    assert warned.severity is dg.AssetCheckSeverity.WARN
    shown = {name: getattr(value, "value", value) for name, value in warned.metadata.items()}
    assert (shown["rows_failed"], shown["rows_checked"], shown["percent_failed"]) == (1, 200, 0.5)
    assert shown["rule"] == "not_null: {column: Libelle}"
    assert shown["sample_keys"] == "A00005"
    made = instance.get_latest_materialization_event(dg.AssetKey(["stg", "article"]))
    assert made is not None
    assert "WARNING" in str(made.asset_materialization.metadata["quality"].value)  # type: ignore[union-attr]


def test_a_blocking_rule_on_the_load_fails_the_step_and_every_check_has_a_result(line: Line, instance: dg.DagsterInstance) -> None:
    line.spec = article_spec(quality=RULES)
    line.execute("UPDATE pub.article SET qte = -1 WHERE cod_art = %s", "A00005")
    assert run(line, instance) == (Status.FAILED, QualityError.__name__)
    found = evaluations(instance)
    assert {name: e.passed for name, e in found.items()} == {
        "raw/source_reachable": True, "stg/not_null_Libelle": True, "stg/range_qte": False, "ods/row_count": True,
    }  # fmt: skip
    assert found["stg/range_qte"].severity is dg.AssetCheckSeverity.ERROR
    assert "skipped: the load stopped before" in str(found["ods/row_count"].description)
    assert instance.get_latest_materialization_event(dg.AssetKey(["ods", "article"])) is None


def test_a_blocking_rule_on_ods_fails_the_step_after_the_merge(line: Line, instance: dg.DagsterInstance) -> None:
    line.spec = article_spec(quality=[{"row_count": {"min": 500, "blocking": True}}])
    assert run(line, instance) == (Status.FAILED, QualityError.__name__)
    assert instance.get_latest_materialization_event(dg.AssetKey(["ods", "article"])) is not None
    assert len(line.ods_rows()) == 200


def test_a_source_out_of_reach_leaves_every_check_skipped(line: Line, instance: dg.DagsterInstance) -> None:
    line.spec = article_spec(quality=RULES)
    line.execute("DROP TABLE pub.article")
    status, _ = run(line, instance)
    assert status is Status.FAILED
    found = {name: str(e.description) for name, e in evaluations(instance).items()}
    assert set(found) == {"raw/source_reachable", "stg/not_null_Libelle", "stg/range_qte", "ods/row_count"}
    assert found.pop("raw/source_reachable").startswith("the source answers, its clock says")
    assert set(found.values()) == {"skipped: the load stopped before: SourceSchemaError"}


def test_jobs_run_the_rules_and_leave_the_certificate_out(settings: Settings) -> None:
    spec = article_spec(quality=RULES)
    defs = build_defs({spec.name: spec}, settings)
    layer = defs.resolve_job_def("all_tables").asset_layer
    assert {key.name for key in layer.asset_graph.asset_check_keys} == {"source_reachable", "not_null_Libelle", "range_qte", "row_count"}


def test_a_run_may_skip_the_rules_and_shows_it(line: Line, instance: dg.DagsterInstance) -> None:
    line.spec = article_spec(quality=RULES)
    line.execute("UPDATE pub.article SET qte = -1")
    definitions = build_defs({line.spec.name: line.spec}, line.settings())
    options = {"resources": {"load_options": {"config": {"mode": "full", "skip_validation": True}}}}
    result = definitions.resolve_job_def("all_tables").execute_in_process(
        instance=instance, run_config=options, tags={"dagster/partition": "2026-01-01"}
    )
    assert result.success
    assert {str(e.description) for e in evaluations(instance).values()} == {"skipped: by --skip-validation"}
    made = instance.get_latest_materialization_event(dg.AssetKey(["ods", "article"]))
    assert made is not None
    assert made.asset_materialization is not None
    assert made.asset_materialization.metadata["quality"].value == "SKIPPED: 4 skipped"
    assert len(line.ods_rows()) == 200
