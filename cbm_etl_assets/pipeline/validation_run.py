"""A validation without a load: every rule of a table on what ODS holds now, and the questions to the source.

Owns which relation a rule sees then: rules on the rows of a load look at the live rows instead (mode incremental: at those the
last load wrote), the size of a load cannot be judged. Loads and changes nothing; writes the log.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from zoneinfo import ZoneInfo

from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.metadata.rulekinds import Layer, Scope, kinds
from cbm_etl_assets.metadata.rules import Rule
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.validate import judge, look_at
from cbm_etl_assets.quality.look import Look, Relation
from cbm_etl_assets.quality.report import QualityReport, RuleResult, broken, unjudged
from cbm_etl_assets.reliability.redact import redact


class ValidationMode(StrEnum):
    FULL = "full"  # every live row
    INCREMENTAL = "incremental"  # rules on rows see what the last load wrote; rules on the table see all of it


def validate_tables(platform: Platform, specs: Sequence[TableSpec], mode: ValidationMode) -> list[QualityReport]:
    """One report a table; all in one run of the log."""
    platform.control.upgrade()
    platform.control.project_specs(list(platform.catalog.values()))
    run_id, now, reason = str(uuid.uuid4()), *_source_clock(platform)
    reports = []
    for spec in specs:
        report = _validated(platform, spec, run_id, mode, (now, reason))
        platform.control.add_quality(report.rows())
        reports.append(report)
    return reports


def _source_clock(platform: Platform) -> tuple[dt.datetime, str]:
    """The source's clock; where it does not answer, the host's in the source's zone, and why."""
    try:
        return platform.source.clock(), ""
    except CbmError as error:
        zone = ZoneInfo(platform.settings.source.timezone)
        return platform.now().astimezone(zone).replace(tzinfo=None), redact(error.message)


def _validated(platform: Platform, spec: TableSpec, run_id: str, mode: ValidationMode, clock: tuple[dt.datetime, str]) -> QualityReport:
    if not spec.rules:
        return QualityReport(spec.name, run_id)
    now, unreachable = clock
    seq = platform.warehouse.state(spec.name).last_applied_seq
    look = look_at(platform, spec, Relation("ods", spec.name), now)
    results: list[RuleResult] = []
    for rule in spec.rules:
        if rule.layer is Layer.SOURCE:
            results.append(broken(rule, Layer.SOURCE, unreachable) if _needs_source(rule, unreachable) else judge(rule, look, Layer.SOURCE))
        elif not seq:
            results += unjudged([rule], "the table was never loaded")
        elif kinds()[rule.kind].scope is Scope.TABLE:
            results.append(judge(rule, _narrowed(look, rule, mode, seq), Layer.ODS))
    if seq:
        results += _rows(platform, spec, _last_load(look, mode, seq))
    order = {rule.name: i for i, rule in enumerate(spec.rules)}
    return QualityReport(spec.name, run_id, seq, "", tuple(sorted(results, key=lambda result: order[result.rule.name])))


def _needs_source(rule: Rule, unreachable: str) -> bool:
    return bool(unreachable) and rule.kind != "column_drift"


def _narrowed(look: Look, rule: Rule, mode: ValidationMode, seq: int) -> Look:
    return _last_load(look, mode, seq) if rule.layer is Layer.STG else look


def _last_load(look: Look, mode: ValidationMode, seq: int) -> Look:
    return replace(look, relation=replace(look.relation, seq=seq)) if mode is ValidationMode.INCREMENTAL else look


def _rows(platform: Platform, spec: TableSpec, look: Look) -> list[RuleResult]:
    rules = [rule for rule in spec.rules if kinds()[rule.kind].scope is Scope.ROW]
    if not rules:
        return []
    from cbm_etl_assets.pipeline.ods_rules import scan

    return scan(look, rules, platform.settings.quality.custom_modules)
