"""The rules of one load: the source's before it reads, the rows' while it stages, the relation's before and after the merge.

Owns the order, what blocks, and that every declared rule gives a result whatever happens: the log and Dagster show all of
them, the skipped ones too. What a rule means is `quality`. A table without rules comes here and leaves at once.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import (
    CbmError,
    CircuitOpenError,
    QualityError,
    SourceSchemaError,
    SpecError,
    TransientError,
    TransientSourceError,
)
from cbm_etl_assets.metadata.rulekinds import Layer, Scope, kinds
from cbm_etl_assets.metadata.rules import Rule
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.extract import Extracted
from cbm_etl_assets.pipeline.plan import LoadPlan
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.quarantine import refuse_too_many
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode, Status
from cbm_etl_assets.reliability.redact import redact

if TYPE_CHECKING:
    from cbm_etl_assets.pipeline.gate import RowGate
    from cbm_etl_assets.quality.look import Look, Relation
    from cbm_etl_assets.quality.report import QualityReport, RuleResult

_NAMED = 5
# The load itself asks these questions first, and what stops it answers the rule.
_ANSWERS: dict[str, tuple[type[Exception], ...]] = {
    "source_reachable": (TransientSourceError, CircuitOpenError), "catalogue_equals_spec": (SourceSchemaError,),
}  # fmt: skip


@dataclass
class Validation:
    """`declared`: the rules of the spec as written; those whose column is gone from the source are skipped."""

    platform: Platform
    declared: tuple[Rule, ...]
    options: LoadOptions
    run_id: str
    spec: TableSpec  # the one the load follows; `written` is the one people wrote
    plan: LoadPlan | None = None
    gate: RowGate | None = None
    results: list[RuleResult] = field(default_factory=list)
    rejected: int = 0

    def __post_init__(self) -> None:
        self.written = self.spec

    def plan_is(self, plan: LoadPlan, spec: TableSpec) -> None:
        """From here on it is known what is read, and with which columns. Evaluates the rules of the source."""
        self.plan, self.spec = plan, spec
        if self._is_on:
            self._judge_tables(Layer.SOURCE, "source", "")
            self._refuse_blocked("nothing was read")

    def new_gate(self) -> RowGate | None:
        """Before every attempt at staging: a tally counts one reading."""
        rules = [rule for rule in self._of(Layer.STG) if kinds()[rule.kind].scope is Scope.ROW]
        self.gate = None
        if rules and self._is_on:
            from cbm_etl_assets.pipeline.gate import RowGate
            from cbm_etl_assets.quality.look import Sight

            modules = self.platform.settings.quality.custom_modules
            self.gate = RowGate(self.spec, rules, Sight(dict(self.spec.target_columns), self._now, modules))
        return self.gate

    def without_rejected(self, extracted: Extracted) -> Extracted:
        """What was read, with the rows that rules rejected among the bad ones. Raises: TooManyBadRowsError."""
        if self.gate is None or not self.gate.rejected:
            return extracted
        bad = extracted.bad + tuple(self.gate.rejected)
        self.rejected = len(self.gate.rejected)
        refuse_too_many(self.spec, bad, extracted.read)
        return replace(extracted, bad=bad)

    def staged(self, staging: str, rows_read: int) -> None:
        """Raises: QualityError when a blocking rule on the load is broken; the merge must not follow."""
        if not self._is_on:
            return
        judged_before = list(self.results)
        try:
            if self.gate is not None:
                self.results += self.gate.results()
            self._judge_tables(Layer.STG, "stg", staging, rows_read)
        except TransientError:  # the next attempt judges again
            self.results = judged_before
            raise
        self._refuse_blocked("nothing was merged, ODS is as it was")

    def judged(self, result: LoadResult) -> LoadResult:
        """The result of a load that is in, with what the rules say of it. A blocking rule broken on ODS fails what comes after."""
        self._applied()
        report = self.finish()
        if report is None or not report.blocking:
            return replace(result, quality=report)
        error = blocked_error(self.spec.name, report.blocking, "the data is in, what depends on it is held back")
        return replace(
            result, quality=report, status=Status.FAILED, error_class=type(error).__name__, error_message=error.message,
            exit_code=error.exit_code,
        )  # fmt: skip

    def _applied(self) -> None:
        if not self._is_on:
            return
        self._judge_tables(Layer.ODS, "ods", self.spec.name)
        rows = [rule for rule in self._of(Layer.ODS) if kinds()[rule.kind].scope is Scope.ROW]
        if rows:
            from cbm_etl_assets.pipeline.ods_rules import scan

            self.results += scan(self._look("ods", self.spec.name, None), rows, self.platform.settings.quality.custom_modules)

    def finish(self, error: BaseException | None = None) -> QualityReport | None:
        """Complete, log and hand over the report; None for a table without rules, or a load that moves no rows."""
        if not self.declared or (self.plan is not None and self.plan.mode is Mode.SWEEP):
            return None
        from cbm_etl_assets.quality.report import QualityReport, broken, unjudged

        done = {result.rule.name for result in self.results}
        active = {rule.name for rule in self.spec.rules}
        for rule in self.declared:
            if rule.name in done:
                continue
            if isinstance(error, _ANSWERS.get(rule.kind, ())):
                self.results.append(broken(rule, rule.layer, redact(str(error).splitlines()[0])))
                continue
            self.results += unjudged([rule], self._why_not(error) if rule.name in active else "its column is gone from the source")
        order = {rule.name: i for i, rule in enumerate(self.declared)}
        plan = self.plan
        report = QualityReport(
            self.spec.name, self.run_id, plan.seq if plan else 0, _partition(self.options),
            tuple(sorted(self.results, key=lambda result: order[result.rule.name])), self.rejected,
        )  # fmt: skip
        if self.options.on_quality:
            self.options.on_quality(report)
        with suppress(CbmError) if error else nullcontext():  # the first error is the one to tell
            self.platform.control.add_quality(report.rows())
        return report

    # -- inside -----------------------------------------------------------------------------------------------------

    @property
    def _is_on(self) -> bool:
        is_sweep = self.plan is not None and self.plan.mode is Mode.SWEEP
        return bool(self.declared) and not self.options.skip_validation and not is_sweep

    @property
    def _now(self) -> dt.datetime:
        if self.plan is None:
            raise SpecError("rules are evaluated once the load is planned")
        return self.plan.t0

    def _why_not(self, error: BaseException | None) -> str:
        if self.options.skip_validation:
            return "skipped by --skip-validation"
        return f"the load stopped before: {type(error).__name__}" if error else "not evaluated in this load"

    def _of(self, layer: Layer) -> list[Rule]:
        return [rule for rule in self.spec.rules if rule.layer is layer]

    def _judge_tables(self, layer: Layer, schema: str, relation: str, rows_read: int | None = None) -> None:
        rules = [rule for rule in self._of(layer) if kinds()[rule.kind].scope is Scope.TABLE]
        if rules:
            look = self._look(schema, relation, rows_read)
            # Before the merge the stage is tried again; afterwards the data is in, and the rule says that it could not be judged.
            raising = TransientError if layer is Layer.STG else ()
            self.results += [judge(rule, look, layer, raising) for rule in rules]

    def _look(self, schema: str, relation: str, rows_read: int | None) -> Look:
        from cbm_etl_assets.pipeline.probes import probe
        from cbm_etl_assets.quality.look import Relation

        look = look_at(self.platform, self.spec, Relation(schema, relation), self._now)
        look = replace(look, probe=lambda name: probe(self.platform, self.written, name))
        return replace(look, mode=self.plan.mode.value, rows_read=rows_read) if self.plan else look

    def _refuse_blocked(self, consequence: str) -> None:
        blocked = [result for result in self.results if result.blocks]
        if blocked:
            raise blocked_error(self.spec.name, blocked, consequence)


def blocked_error(table: str, blocked: Iterable[RuleResult], consequence: str) -> QualityError:
    broken = list(blocked)
    said = "; ".join(f"{r.rule.name} ({r.message})" for r in broken[:_NAMED])
    more = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    return QualityError(
        f"Table '{table}': {len(broken)} blocking quality rule{'s' if len(broken) > 1 else ''} broken: {said}{more}; {consequence}.",
        rules=[r.rule.name for r in broken],
        remedy=f"correct the source or the rule (cbm-etl validate {table} shows the rows); cbm-etl run {table} --skip-validation loads it",
    )


def look_at(platform: Platform, spec: TableSpec, relation: Relation, now: dt.datetime) -> Look:
    """`now`: the source's wall clock. What a load adds (its mode, its rows) is the caller's."""
    from cbm_etl_assets.pipeline.probes import probe
    from cbm_etl_assets.quality.look import Look
    from cbm_etl_assets.source.dialects import dialect

    return Look(
        spec=spec, relation=relation, warehouse=platform.warehouse, control=platform.control, now=now,
        utc=platform.now().astimezone(dt.UTC).replace(tzinfo=None), catalog=platform.catalog,
        loose_text=dialect(platform.settings.source.dialect).case_insensitive_keys, probe=lambda name: probe(platform, spec, name),
    )  # fmt: skip


def judge(rule: Rule, look: Look, layer: Layer, raising: type[CbmError] | tuple[()] = ()) -> RuleResult:
    """One table rule. A rule that cannot be evaluated is broken, in words; it never stops the others. `raising` passes through."""
    from cbm_etl_assets.quality.report import broken, judged

    started = time.perf_counter()
    try:
        finding = kinds()[rule.kind].function(look, **rule.parameters)
    except raising:
        raise
    except CbmError as error:
        return broken(rule, layer, f"could not be evaluated: {redact(error.message)}")
    return judged(rule, layer, finding, time.perf_counter() - started)


def _partition(options: LoadOptions) -> str:
    keys = options.partitions
    return keys[0] if len(keys) == 1 else f"{keys[0]}..{keys[-1]}" if keys else ""
