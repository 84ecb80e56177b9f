"""The row rules between staging and the warehouse: every batch passes here on its way, rows to reject stay behind.

Owns the passage of Arrow batches through `quality.rows` and the quarantine entries of rejected rows. Bounded: a batch at a
time, and no more rejected rows than the table's quarantine takes at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from cbm_etl_assets.errors import TooManyBadRowsError
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.rulekinds import Layer
from cbm_etl_assets.metadata.rules import Rule
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.quality.report import RuleResult, tallied
from cbm_etl_assets.quality.rows import RowRules
from cbm_etl_assets.transform.bad_rows import RowError, bad_row
from cbm_etl_assets.transform.names import HASHDIFF, KEY_HASH

if TYPE_CHECKING:
    from cbm_etl_assets.quality.look import Sight


class RowGate:
    """`rejected`: rows that broke a rule with `reject: true`, as the quarantine takes them."""

    def __init__(self, spec: TableSpec, rules: Sequence[Rule], sight: Sight) -> None:
        self.spec, self.sight = spec, sight
        self.rejecting = [rule for rule in rules if rule.reject]
        self.keys = spec.key_targets or (HASHDIFF,)
        self.rules = RowRules(rules, sight)
        self.reads = tuple(dict.fromkeys((*self.rules.columns, *self.keys)))
        self.rejected: list[BadRow] = []

    def restart(self) -> None:
        """Forget what was counted: the rows come again."""
        self.rules = RowRules(self.rules.rules, self.sight)
        self.rejected = []

    def accepts(self, batch: pa.RecordBatch) -> bool:
        """Judge a batch of the columns in `reads`. False when a row of it must not be loaded."""
        frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
        failing = self.rules.look(frame, frame.select(self.keys))
        return not any(rule.name in failing for rule in self.rejecting)

    def results(self) -> list[RuleResult]:
        """One a rule, after the last batch."""
        rules = self.rules
        return [tallied(self.spec, tally, Layer.STG, rules.broken.get(name)) for name, tally in rules.tallies.items()]

    def passed(self, batch: pa.RecordBatch, raw: pa.RecordBatch) -> pa.RecordBatch:
        """`batch`: ODS-bound; `raw`: the same rows as the source gave them. Returns the rows that may be loaded.

        Raises: TooManyBadRowsError.
        """
        frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch.select(list(self.reads))])))
        failing = self.rules.look(frame, frame.select(self.keys))
        broken = [rule for rule in self.rejecting if rule.name in failing]
        if not broken:
            return batch
        owner: dict[int, Rule] = {}
        for rule in broken:
            for row in failing[rule.name].arg_true():
                owner.setdefault(int(row), rule)
        self._refuse_too_many(len(owner), broken[0])
        self.rejected += [self._bad(batch, raw, row, rule) for row, rule in sorted(owner.items(), key=lambda item: item[0])]
        keep = pa.array([row not in owner for row in range(batch.num_rows)], pa.bool_())
        return batch.filter(keep)

    def _refuse_too_many(self, more: int, rule: Rule) -> None:
        limit = self.spec.quarantine.limit
        if len(self.rejected) + more > limit:
            raise TooManyBadRowsError(
                f"Table '{self.spec.name}': rules reject more than {limit} rows, first of all {rule.name} ({rule.text}). "
                "Nothing was changed.",
                remedy="correct the rule or the source; `reject: false` reports the rows and loads them",
            )

    def _bad(self, batch: pa.RecordBatch, raw: pa.RecordBatch, row: int, rule: Rule) -> BadRow:
        column = next((c.name for c in self.spec.kept_columns if rule.columns and rule.columns[0] in c.target_names), "")
        error = RowError(column, rule.kind, f"rejected by rule {rule.name}: {rule.text}")
        values = raw.select([c.name for c in self.spec.kept_columns]).slice(row, 1).to_pylist()[0]
        key = batch.column(batch.schema.get_field_index(KEY_HASH))[row].as_py()
        return bad_row(self.spec, values, error, key)
