"""Schema drift in Dagster: a non-blocking check `schema_drift` on every ods asset.

Every load reports it, a load that drift has stopped too: a check that ran as a step of its own would be skipped just then. Run alone
("Execute" on the check) it reads the same rows. One SELECT of etl.SchemaDrift, no look at the source.
"""

from collections.abc import Sequence

import dagster as dg

from cbm_etl_assets.control.port import DriftRow
from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.sync import ChangeClass
from cbm_etl_assets.orchestration.failures import as_failure
from cbm_etl_assets.orchestration.names import asset_key
from cbm_etl_assets.orchestration.report import Metadata
from cbm_etl_assets.pipeline.platform import Platform

CHECK = "schema_drift"
STOPPED = "stopped"


def drift_check(spec: TableSpec) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key("ods", spec.name), name=CHECK, blocking=False,
        description="The source's columns are those of the spec, or differ in ways that lose nothing. Read from etl.SchemaDrift.",
    )  # fmt: skip
    def schema_drift(platform: dg.ResourceParam[Platform]) -> dg.AssetCheckResult:
        failure: dg.Failure | None = None
        try:
            return verdict(spec, platform.control.drift_rows(spec.name))
        except Exception as error:  # noqa: BLE001  any text may hold a secret: nothing foreign goes to the event log unredacted
            failure = as_failure(error, spec.name, platform.settings)
        raise failure from None

    return schema_drift


def report_drift(context: dg.AssetExecutionContext, platform: Platform, spec: TableSpec) -> None:
    """After a load, whatever became of it. A control database that does not answer now is a line of the log: the load's own end stands."""
    try:
        found = verdict(spec, platform.control.drift_rows(spec.name))
    except CbmError as error:
        context.log.warning("%s: schema drift not reported: %s", spec.name, type(error).__name__)
        return
    context.instance.report_runless_asset_event(dg.AssetCheckEvaluation(
        asset_key=asset_key("ods", spec.name), check_name=CHECK, passed=found.passed, metadata=found.metadata, severity=found.severity,
        description=found.description, blocking=False,
    ))  # fmt: skip


def verdict(spec: TableSpec, rows: Sequence[DriftRow]) -> dg.AssetCheckResult:
    """Passed while nothing waits for a person; WARN where somebody should look, ERROR where the table is not loaded."""
    changes = [row for row in rows if row.resolved_utc is None]
    stopped = [row for row in changes if row.consequence == STOPPED]
    waiting = [row for row in changes if row.change_class != ChangeClass.SAFE.value]
    listed = "; ".join(f"{row.kind} {row.column}: {row.consequence}" for row in (stopped or waiting or changes)[:3])
    metadata: Metadata = {"changes": len(changes), **{str(c): sum(r.change_class == c for r in changes) for c in ChangeClass}}
    if changes:
        metadata |= {"schema_drift": _table(changes), "remedy": f"cbm-etl tables sync {spec.name}; --apply takes the changes into the spec"}
    return dg.AssetCheckResult(
        asset_key=asset_key("ods", spec.name), check_name=CHECK, passed=not (stopped or waiting), metadata=metadata,
        severity=dg.AssetCheckSeverity.ERROR if stopped else dg.AssetCheckSeverity.WARN,
        description=listed or "The source's columns are those of the spec.",
    )  # fmt: skip


def _table(changes: Sequence[DriftRow]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table([
        dg.TableRecord({
            "change": row.kind, "class": row.change_class, "column": row.column, "before": row.before, "after": row.after,
            "consequence": row.consequence, "since (UTC)": f"{row.found_utc:%Y-%m-%d %H:%M}" if row.found_utc else "", "note": row.note,
        })
        for row in changes
    ])  # fmt: skip
