"""The replication certificate in Dagster: a non-blocking check `certificate` on every ods asset, and one scheduled job of them.

Loads do not run it: it reads the whole source table again. Run alone (the schedule, or "Execute" on the check) it verifies;
beside a materialisation launched by hand it only repeats the last certificate.
"""

from collections.abc import Sequence

import dagster as dg

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.failures import as_failure
from cbm_etl_assets.orchestration.internals import Job
from cbm_etl_assets.orchestration.names import asset_key
from cbm_etl_assets.orchestration.reaper import mark_owner
from cbm_etl_assets.orchestration.report import Metadata
from cbm_etl_assets.pipeline.platform import Platform

CHECK = "certificate"
JOB = "verify_all"
# Sunday before the working week: a whole read of every table does not belong between two loads of a working day.
CRON = "0 5 * * 0"
_LISTED = 20
_LAST = (
    "SELECT Status, EndedUtc, VerifiedThroughTs, KeysMissing, KeysExtra, KeysDifferent, KeysPending FROM etl.Certificate "
    "WHERE CertificateId = (SELECT MAX(CertificateId) FROM etl.Certificate WHERE TableName = :table_name)"
)


def certificate_check(spec: TableSpec, pool: str | None) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key("ods", spec.name), name=CHECK, pool=pool, blocking=False,
        description="Source rows read again = ODS rows read back, by count, key set, column and row.",
    )  # fmt: skip
    def certificate(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.AssetCheckResult:
        mark_owner(context.instance, context.run)
        failure: dg.Failure | None = None
        try:
            if context.run.asset_selection:
                return _last(platform, spec)
            return _verified(platform, spec, context.run.run_id)
        except Exception as error:  # noqa: BLE001  any text may hold a secret: nothing foreign goes to the event log unredacted
            failure = as_failure(error, spec.name, platform.settings)
        raise failure from None

    return certificate


def _verified(platform: Platform, spec: TableSpec, run_id: str) -> dg.AssetCheckResult:
    from cbm_etl_assets.pipeline.verify import verify

    found = verify(platform, spec, run_id)
    masked = any(spec.column(key).mask for key in spec.primary_key)
    keys = "\n".join(f"{k.kind} {' '.join(map(str, k.key))} {', '.join(k.columns)}" for k in found.keys[:_LISTED])
    metadata: Metadata = {
        "rows_source": found.rows_source, "rows_ods": found.rows_ods, "missing": found.missing, "extra": found.extra,
        "different": found.different, "pending": found.pending, "quarantined": found.quarantined, "seconds": found.seconds,
        "verified_through": str(found.verified_through or "not proven"),
        "keys": dg.MetadataValue.text(keys if not masked else "(masked)"),
        "remedy": f"cbm-etl repair {spec.name}" if spec.primary_key else f"cbm-etl run {spec.name} --mode full",
    }  # fmt: skip
    return dg.AssetCheckResult(passed=found.equal, severity=dg.AssetCheckSeverity.ERROR, metadata=metadata)


def _last(platform: Platform, spec: TableSpec) -> dg.AssetCheckResult:
    rows = platform.control.query(_LAST, {"table_name": spec.name})
    if not rows:
        why = f"never verified: execute this check alone, or cbm-etl verify {spec.name}"
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description=why)
    [row] = rows
    metadata = {name: str(value) for name, value in row.items()}
    is_equal = row["Status"] == "equal"
    return dg.AssetCheckResult(passed=is_equal, severity=dg.AssetCheckSeverity.ERROR, metadata=metadata, description="the last certificate")


def certificate_job(checks: Sequence[dg.AssetChecksDefinition], timezone: str) -> tuple[list[Job], list[dg.ScheduleDefinition]]:
    """One job of all certificates and its weekly schedule; none without a table."""
    keys = [key for check in checks for key in check.check_keys]
    if not keys:
        return [], []
    job = dg.define_asset_job(JOB, dg.AssetSelection.checks(*keys), description="The replication certificate of every table")
    return [job], [dg.ScheduleDefinition(name=f"{JOB}_schedule", job=job, cron_schedule=CRON, execution_timezone=timezone)]
