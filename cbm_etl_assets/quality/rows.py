"""Row rules compiled to one Pandera schema, evaluated on batches as they stream by: bounded memory, a tally a rule.

Owns the compilation, the counting and the samples. Where the batches come from and what becomes of rejected rows is the
pipeline's. Importing this module imports pandera (0.1 s beside polars): a table without row rules never does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandera.polars as pa
import polars as pl
from pandera.constants import CHECK_OUTPUT_KEY
from pandera.errors import SchemaErrors

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.rulekinds import kinds
from cbm_etl_assets.metadata.rules import Rule
from cbm_etl_assets.quality.look import SAMPLES, Sight
from cbm_etl_assets.quality.tally import Tally

_Judge = Callable[[pa.PolarsData], pl.LazyFrame]


@dataclass
class RowRules:
    """The row rules of one layer. Call `look` a batch; `tallies` are complete after the last one."""

    rules: Sequence[Rule]
    sight: Sight

    def __post_init__(self) -> None:
        self.expressions = {rule.name: _expression(rule, self.sight) for rule in self.rules}
        self.tallies = {rule.name: Tally(rule) for rule in self.rules}
        self.schema = _schema(self.rules, self.expressions)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the rules read, so that a table of 600 hands over six."""
        named = [name for expression in self.expressions.values() for name in expression.meta.root_names()]
        unknown = sorted(set(named) - set(self.sight.types))
        if unknown:
            wrong = next(rule for rule in self.rules if set(unknown) & set(self.expressions[rule.name].meta.root_names()))
            raise SpecError(
                f"Rule '{wrong.name}' ({wrong.text}): unknown column '{unknown[0]}'. Known: {', '.join(self.sight.types)}.",
                remedy="name columns as ODS does; cbm-etl tables show lists them",
            )
        return tuple(name for name in self.sight.types if name in set(named))

    def look(self, rows: pl.DataFrame, keys: pl.DataFrame) -> dict[str, pl.Series]:
        """Per broken rule which rows fail it. `keys`: the key's columns of the same rows."""
        started = time.perf_counter()
        failing = self._failing(rows)
        for rule in self.rules:
            self.tallies[rule.name].checked += rows.height
        for name, wrong in failing.items():
            tally = self.tallies[name]
            tally.failed += int(wrong.sum())
            if (missing := SAMPLES - len(tally.samples)) > 0:
                tally.samples += keys.filter(wrong).head(missing).rows()
        spent = (time.perf_counter() - started) / max(1, len(self.rules))
        for tally in self.tallies.values():
            tally.seconds += spent
        return failing

    def _failing(self, rows: pl.DataFrame) -> dict[str, pl.Series]:
        if not rows.height:
            return {}
        try:
            self.schema.validate(rows, lazy=True)
        except SchemaErrors as found:
            return dict(_wrong(error, rows.height, self.expressions) for error in found.schema_errors)
        return {}


def _expression(rule: Rule, sight: Sight) -> pl.Expr:
    good: pl.Expr = kinds()[rule.kind].function(sight, **rule.parameters)
    return good


def _schema(rules: Sequence[Rule], expressions: Mapping[str, pl.Expr]) -> pa.DataFrameSchema:
    """Rules of one column are checks of that column, the others checks of the frame."""
    columns: dict[str, list[pa.Check]] = {}
    whole: list[pa.Check] = []
    for rule in rules:
        # One failure case is enough: the rows are counted from the check's output, and no value enters a message.
        check = pa.Check(_judge(expressions[rule.name]), name=rule.name, n_failure_cases=1)
        if len(rule.columns) == 1:
            columns.setdefault(rule.columns[0], []).append(check)
        else:
            whole.append(check)
    return pa.DataFrameSchema({name: pa.Column(nullable=True, checks=checks) for name, checks in columns.items()}, checks=whole)


def _judge(good: pl.Expr) -> _Judge:
    return lambda data: data.lazyframe.select(good.alias(CHECK_OUTPUT_KEY))


def _wrong(error: pa.errors.SchemaError, height: int, known: Mapping[str, object]) -> tuple[str, pl.Series]:
    name = str(getattr(error.check, "name", error.check))
    output = getattr(error, "check_output", None)
    if name not in known or not isinstance(output, pl.DataFrame) or output.height != height:
        said = str(error).splitlines()[0][:200]
        raise SpecError(
            f"Rule '{name}' cannot be evaluated on single rows: {said}", remedy="compare columns of one row; no sums, no other tables"
        ) from None
    return name, ~output.get_column(CHECK_OUTPUT_KEY).fill_null(True)
