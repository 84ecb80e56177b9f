"""Quality rules in Dagster: every rule of a spec is a check of the layer it judges, evaluated by the load itself.

Every declared check gives a result whatever becomes of the load, the skipped ones too: a missing one would fail the step with
a message about lengths. Checks stay unpartitioned (a single-run range leaves partitioned ones planned for ever); the
partition stands in the metadata. What a rule means is `quality`, what blocks a merge `pipeline.validate`.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from cbm_etl_assets.metadata.rulekinds import Layer
from cbm_etl_assets.metadata.rules import Rule
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.names import asset_key
from cbm_etl_assets.orchestration.report import Metadata
from cbm_etl_assets.quality.look import SAMPLES
from cbm_etl_assets.quality.report import QualityReport, RuleResult, Verdict, unjudged, worst

ASSET_LAYER = {Layer.SOURCE: "raw", Layer.STG: "stg", Layer.ODS: "ods"}


def check_specs(spec: TableSpec) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            name=rule.name, asset=asset_key(ASSET_LAYER[rule.layer], spec.name), description=rule.text, blocking=rule.blocking,
            metadata={"kind": rule.kind, "severity": rule.severity.value, "reject": rule.reject},
        )
        for rule in spec.rules
    ]  # fmt: skip


def check_results(spec: TableSpec, reports: Sequence[QualityReport], why: str = "not evaluated") -> Iterator[dg.AssetCheckResult]:
    """One result a declared rule, over all loads of the step (one a run of adjacent partitions)."""
    for rule in spec.rules:
        found = [(report, r) for report in reports for r in report.results if r.rule.name == rule.name]
        if not found:
            found = [(QualityReport(spec.name, ""), result) for result in unjudged([rule], why)]
        yield _result(spec, rule, found)


def quality_metadata(report: QualityReport | None) -> Metadata:
    """For the materialisation: the verdict of the load, and whether somebody skipped it."""
    if report is None:
        return {}
    counted = ", ".join(f"{report.count(v)} {v.value.lower()}" for v in Verdict if report.count(v))
    return {"quality": f"{report.verdict.value}: {counted}", "rows_rejected": report.rejected}


def _result(spec: TableSpec, rule: Rule, found: Sequence[tuple[QualityReport, RuleResult]]) -> dg.AssetCheckResult:
    verdict = worst(result.verdict for _, result in found)
    shown = next(result for _, result in found if result.verdict is verdict)
    checked, failed = (sum(getattr(result, name) for _, result in found) for name in ("checked", "failed"))
    metadata: Metadata = {
        "verdict": verdict.value, "rule": rule.text, "rows_checked": checked, "rows_failed": failed,
        "percent_failed": round(100 * failed / checked, 6) if checked else 0.0,
        "sample_keys": dg.MetadataValue.text("\n".join([key for _, result in found for key in result.samples][:SAMPLES]) or "none"),
        "partition": ", ".join(report.partition for report, _ in found if report.partition) or "none",
        "message": shown.message,
    }  # fmt: skip
    is_error = verdict is Verdict.FAILED
    return dg.AssetCheckResult(
        asset_key=asset_key(ASSET_LAYER[rule.layer], spec.name), check_name=rule.name,
        passed=verdict in (Verdict.VALID, Verdict.SKIPPED), metadata=metadata,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=f"skipped: {shown.message.removeprefix('skipped ')}" if verdict is Verdict.SKIPPED else shown.message,
    )  # fmt: skip
