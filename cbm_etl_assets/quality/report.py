"""The verdict: what every rule of a table found in one load or one validation, and what that means for the load.

Owns results, verdicts and their rows in etl.DataQuality_Log. Evaluates nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cbm_etl_assets.control.port import QualityRow
from cbm_etl_assets.metadata.rules import Rule
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.quality.look import Finding, key_text
from cbm_etl_assets.quality.tally import Tally


class Verdict(StrEnum):
    VALID = "VALID"
    WARNING = "WARNING"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


_WORST = (Verdict.FAILED, Verdict.WARNING, Verdict.VALID, Verdict.SKIPPED)


@dataclass(frozen=True)
class RuleResult:
    """`layer` is where it was evaluated: source, stg or ods. `samples`: up to ten keys, masked columns masked."""

    rule: Rule
    layer: str
    verdict: Verdict
    checked: int = 0
    failed: int = 0
    samples: tuple[str, ...] = ()
    seconds: float = 0.0
    message: str = ""

    @property
    def percent(self) -> float:
        return 100 * self.failed / self.checked if self.checked else 0.0

    @property
    def blocks(self) -> bool:
        return self.verdict is Verdict.FAILED and self.rule.blocking


@dataclass(frozen=True)
class QualityReport:
    """One table, one load. `rejected`: rows that went to the quarantine by a rule."""

    table: str
    run_id: str
    seq: int = 0
    partition: str = ""
    results: tuple[RuleResult, ...] = ()
    rejected: int = 0

    @property
    def verdict(self) -> Verdict:
        return worst(result.verdict for result in self.results)

    @property
    def blocking(self) -> tuple[RuleResult, ...]:
        return tuple(result for result in self.results if result.blocks)

    def count(self, verdict: Verdict) -> int:
        return sum(result.verdict is verdict for result in self.results)

    def rows(self) -> list[QualityRow]:
        """As etl.DataQuality_Log takes them."""
        return [self._row(result) for result in self.results]

    def _row(self, result: RuleResult) -> QualityRow:
        rule = result.rule
        return QualityRow(
            run_id=self.run_id, table_name=self.table, seq=self.seq, layer=result.layer, partition_key=self.partition,
            rule_name=rule.name, rule_kind=rule.kind, column_name=", ".join(rule.columns), rule_text=rule.text,
            severity=rule.severity.value.upper(), blocking=rule.blocking, verdict=result.verdict.value, rows_checked=result.checked,
            rows_failed=result.failed, percent_failed=round(result.percent, 6),
            sample_keys=json.dumps(list(result.samples), ensure_ascii=False), seconds=round(result.seconds, 6), message=result.message,
        )  # fmt: skip


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    seen = set(verdicts)
    return next((verdict for verdict in _WORST if verdict in seen), Verdict.SKIPPED)


def judged(rule: Rule, layer: str, finding: Finding, seconds: float) -> RuleResult:
    if finding.skipped:
        return RuleResult(rule, layer, Verdict.SKIPPED, seconds=seconds, message=finding.skipped)
    verdict = _verdict(rule, finding.failed, finding.checked)
    return RuleResult(rule, layer, verdict, finding.checked, finding.failed, finding.samples, seconds, finding.message)


def tallied(spec: TableSpec, tally: Tally, layer: str, why_broken: str | None = None) -> RuleResult:
    if why_broken is not None:
        return broken(tally.rule, layer, f"could not be evaluated: {why_broken}")
    rule, samples = tally.rule, tuple(key_text(spec, key) for key in tally.samples)
    said = f"{tally.failed} of {tally.checked} rows fail" + (" and went to the quarantine" if tally.failed and rule.reject else "")
    return RuleResult(rule, layer, _verdict(rule, tally.failed, tally.checked), tally.checked, tally.failed, samples, tally.seconds, said)


def unjudged(rules: Iterable[Rule], why: str) -> list[RuleResult]:
    return [RuleResult(rule, rule.layer.value, Verdict.SKIPPED, message=why) for rule in rules]


def broken(rule: Rule, layer: str, why: str) -> RuleResult:
    """A rule that cannot be evaluated is no green one."""
    verdict = Verdict.FAILED if rule.severity == "error" else Verdict.WARNING
    return RuleResult(rule, layer, verdict, message=why)


def _verdict(rule: Rule, failed: int, checked: int) -> Verdict:
    if not rule.is_breached(failed, checked):
        return Verdict.VALID
    return Verdict.FAILED if rule.severity == "error" else Verdict.WARNING
