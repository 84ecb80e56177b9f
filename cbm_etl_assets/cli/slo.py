"""`slo`: every objective, what was measured, the budget left and how fast it burns. The evaluation is `pipeline.objectives`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of

if TYPE_CHECKING:
    from cbm_etl_assets.slo.model import SloBreach, SloStatus

COLUMNS = ("table", "slo", "status", "measured", "objective", "alert", "events", "bad", "budget left", "burn", "p50", "p99")


def slo(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE]...", help="All of these; default: the platform and what is missed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the service levels: objective, measured, error budget left, burn.

    Reads the run log only; writes etl.SLO_Status. Exit code 0 whatever was measured: `cbm-etl health` judges.

    JSON: evaluated_at, slos[table, slo, status, measured, unit, objective, alert, total, bad, budget_left, burn, p50, p99, since,
    windows[severity, long_hours, short_hours, long_burn, short_burn, bad, fires]],
    breaches[key, severity, kind, slo, table, summary]
    """
    from cbm_etl_assets.cli.output import table
    from cbm_etl_assets.pipeline.objectives import measure, selected
    from cbm_etl_assets.slo.breaches import slo_breaches

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    wanted = [runtime.table(name).name for name in names or ()]
    control = runtime.platform.control
    control.upgrade()
    control.reap_runs()  # a killed run is a failure, not a load still running
    snapshot = measure(control, runtime.catalog, runtime.settings, runtime.now())
    shown = selected(snapshot, wanted)
    breaches = [b for b in slo_breaches(snapshot) if not wanted or b.table in wanted]
    document = {
        "evaluated_at": snapshot.evaluated_at_utc, "slos": [entry(s) for s in shown], "breaches": [breach_entry(b) for b in breaches],
    }  # fmt: skip
    listed = [s for s in shown if wanted or not s.table or s.state in ("WARN", "BREACH")]
    rendered = table("", COLUMNS, [_row(s) for s in listed], right=COLUMNS[3:])
    rest = [f"{len(shown) - len(listed)} objectives of tables hold or have no data yet: name a table to see its own."]
    output.result(document, rendered, *(f"{b.severity}: {b.summary}" for b in breaches), *(rest if len(listed) < len(shown) else ()))


def entry(s: SloStatus) -> dict[str, Any]:
    """The stable JSON form of one objective."""
    windows = [
        {"severity": b.severity, "long_hours": b.long_seconds / 3600, "short_hours": b.short_seconds / 3600,
         "long_burn": b.long_burn, "short_burn": b.short_burn, "bad": b.bad_events, "fires": b.fires}
        for b in s.burns
    ]  # fmt: skip
    return {
        "table": s.table or None, "slo": s.slo, "status": s.state, "measured": s.measured, "unit": s.unit, "objective": s.objective,
        "alert": s.alert, "total": s.total, "bad": s.bad, "budget_left": s.budget_left, "burn": s.burn, "p50": s.p50, "p99": s.p99,
        "since": s.since_utc, "windows": windows,
    }  # fmt: skip


def breach_entry(b: SloBreach) -> dict[str, Any]:
    return {
        "key": b.key, "severity": b.severity, "kind": b.kind, "slo": b.slo, "table": b.table or None, "measured": b.measured,
        "objective": b.objective, "alert": b.alert, "unit": b.unit, "since": b.since_utc, "summary": b.summary,
    }  # fmt: skip


def _row(s: SloStatus) -> tuple[object, ...]:
    from cbm_etl_assets.cli.output import number

    def measure(value: float | None) -> str:
        return "-" if value is None else f"{number(value, 2)} {s.unit}"

    left = "-" if s.budget_left is None else f"{100 * s.budget_left:.1f} %"
    return (
        s.table or "(platform)", s.slo.value, s.state.value, measure(s.measured), f"{s.objective:g} {s.unit}", f"{s.alert:g} {s.unit}",
        number(s.total), number(s.bad), left, "-" if s.burn is None else f"{s.burn:.2f}", measure(s.p50), measure(s.p99),
    )  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command()(slo)
