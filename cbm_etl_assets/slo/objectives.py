"""The objectives in force: those of the settings, those of a table's spec over them. Owns the merge; pure."""

from __future__ import annotations

from cbm_etl_assets.metadata.spec import SloSpec, TableSpec
from cbm_etl_assets.sections import PAIRS, SloSettings
from cbm_etl_assets.slo.model import Objective, Objectives, Policy, Slo

P95 = 0.95


def platform_objectives(settings: SloSettings) -> Objectives:
    return _objectives(settings, (settings.freshness_hours, settings.freshness_alert_hours))


def table_objectives(spec: TableSpec, settings: SloSettings) -> Objectives:
    own = {name: value for name, value in spec.slo.model_dump().items() if value is not None}
    own |= {alert: _alert(own[o], settings, (o, alert), up) for o, alert, up in PAIRS if o in own and alert not in own}
    fresh = spec.freshness
    hours = (settings.freshness_hours, settings.freshness_alert_hours)
    if "freshness" in spec.model_fields_set:
        hours = (fresh.warn.total_seconds() / 3600, fresh.fail.total_seconds() / 3600)
    return _objectives(settings.model_copy(update=own), hours)


def _alert(objective: float, settings: SloSettings, names: tuple[str, str], higher_is_better: bool) -> float:
    """An objective without an alert threshold of its own is told as far past it, in proportion, as the platform's is."""
    promised, told = (float(getattr(settings, name)) for name in names)
    if higher_is_better:
        return max(0.0, 100 - (100 - objective) * (100 - told) / (100 - promised))
    most = 100.0 if names[0].endswith("percent") else float("inf")
    return min(most, objective * told / promised)


def is_watched_alone(spec: TableSpec) -> bool:
    return spec.slo != SloSpec()


def policy(settings: SloSettings) -> Policy:
    return Policy(
        window_seconds=settings.window_days * 86400, latency_window_seconds=settings.latency_window_days * 86400,
        min_samples=settings.min_samples, slot_grace_seconds=settings.slot_grace_hours * 3600, page_burn=settings.page_burn,
        ticket_burn=settings.ticket_burn, min_bad_events=settings.min_bad_events,
    )  # fmt: skip


def _objectives(s: SloSettings, fresh: tuple[float, float]) -> Objectives:
    rules, slots = s.quality_percent, s.availability_percent
    return {
        Slo.AVAILABILITY: Objective(
            Slo.AVAILABILITY, slots, s.availability_alert_percent, "%", slots / 100, higher_is_better=True
        ),
        Slo.LATENCY: Objective(Slo.LATENCY, s.latency_seconds, s.latency_alert_seconds, "s", P95),
        Slo.ERROR_RATE: Objective(Slo.ERROR_RATE, s.error_rate_percent, s.error_rate_alert_percent, "%", 1 - s.error_rate_percent / 100),
        Slo.FRESHNESS: Objective(Slo.FRESHNESS, *fresh, unit="h", good_ratio=None),
        # Two rules broken by one load would page; a rule that matters at night is blocking, and told as such.
        Slo.QUALITY: Objective(Slo.QUALITY, rules, s.quality_alert_percent, "%", rules / 100, higher_is_better=True, pages=False),
    }  # fmt: skip
