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
from pandera.errors import SchemaError, SchemaErrors

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.rulekinds import kinds
from cbm_etl_assets.metadata.rules import Rule
from cbm_etl_assets.metadata.specrules import known
from cbm_etl_assets.quality.look import SAMPLES, Sight
from cbm_etl_assets.quality.tally import Tally
from cbm_etl_assets.transform.convert import polars_type

_Judge = Callable[[pa.PolarsData], pl.LazyFrame]


@dataclass
class RowRules:
    """The row rules of one layer. Call `look` a batch; `tallies` are complete after the last one.

    `broken`: rules that cannot be evaluated, and why. They are results in words and never stop the others.
    """

    rules: Sequence[Rule]
    sight: Sight

    def __post_init__(self) -> None:
        self.tallies = {rule.name: Tally(rule) for rule in self.rules}
        self.broken: dict[str, str] = {}
        self.expressions: dict[str, pl.Expr] = {}
        empty = pl.DataFrame(schema={name: polars_type(kind) for name, kind in self.sight.types.items()})
        for rule in self.rules:
            try:
                self.expressions[rule.name] = _compiled(rule, self.sight, empty)
            except SpecError as error:
                self.broken[rule.name] = error.message
        self.schema = self._schema()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the rules read, so that a table of 600 hands over six."""
        named = {name for expression in self.expressions.values() for name in expression.meta.root_names()}
        return tuple(name for name in self.sight.types if name in named)

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
        if not rows.height or not self.expressions:
            return {}
        try:
            self.schema.validate(rows, lazy=True)
        except SchemaErrors as found:
            wrong = {_rule_of(error): _wrong(error, rows.height) for error in found.schema_errors}
            for name in [name for name, mask in wrong.items() if mask is None]:
                self._give_up(name)
            return {name: mask for name, mask in wrong.items() if mask is not None}
        return {}

    def _give_up(self, name: str) -> None:
        """A rule that fails on values, not on types: a cast within an expression, for instance."""
        if name not in self.expressions:
            raise SpecError(f"The rows do not fit the rules' columns: {name}", remedy="cbm-etl tables sync compares spec and source")
        self.broken[name] = "it fails on a value of this batch; use TRY_CAST or a condition in the expression"
        del self.expressions[name]
        self.schema = self._schema()

    def _schema(self) -> pa.DataFrameSchema:
        return _schema([rule for rule in self.rules if rule.name in self.expressions], self.expressions)


def _compiled(rule: Rule, sight: Sight, empty: pl.DataFrame) -> pl.Expr:
    """The rule's expression, tried on no rows. Raises: SpecError in words for whatever is wrong with it."""
    where = f"{rule.name} ({rule.text})"
    try:
        good: pl.Expr = kinds()[rule.kind].function(sight, **rule.parameters)
        tried = empty.select(good)
    except SpecError:
        raise
    except pl.exceptions.ColumnNotFoundError:
        unknown = sorted(set(good.meta.root_names()) - set(sight.types))
        raise SpecError(f"{where}: unknown column '{', '.join(unknown)}'.{known(list(sight.types), unknown[0])}") from None
    except pl.exceptions.PolarsError as error:
        raise SpecError(f"{where}: {str(error).splitlines()[0]}") from None
    except Exception as error:  # noqa: BLE001  a custom function is foreign code: whatever it raises is that rule's result
        raise SpecError(f"{where}: {type(error).__name__}: {error}") from None
    if tried.height or tried.dtypes != [pl.Boolean]:
        raise SpecError(f"{where}: gives no truth value for each row; compare columns of one row, without sums")
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


def _rule_of(error: SchemaError) -> str:
    return str(getattr(error.check, "name", error.check))


def _wrong(error: SchemaError, height: int) -> pl.Series | None:
    """Which rows fail; None where the check itself could not run."""
    output = getattr(error, "check_output", None)
    if not isinstance(output, pl.DataFrame) or output.height != height:
        return None
    return ~output.get_column(CHECK_OUTPUT_KEY).fill_null(True)
