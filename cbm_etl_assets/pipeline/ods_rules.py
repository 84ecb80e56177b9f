"""Row rules on the live rows of ODS, streamed in batches: for rules of layer ods, and for a validation without a load.

Owns the streaming. The rules are evaluated by `quality.rows`, as on staging.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import polars as pl
import pyarrow as pa

from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.metadata.rulekinds import Layer
from cbm_etl_assets.metadata.rules import Rule
from cbm_etl_assets.quality.look import STATEMENTS, Look, Sight
from cbm_etl_assets.quality.report import RuleResult, tallied
from cbm_etl_assets.quality.rows import RowRules
from cbm_etl_assets.reliability.redact import redact

BATCH_CELLS = 2_000_000  # 16 MB of numbers a batch, as in a verification


def scan(look: Look, rules: Sequence[Rule], modules: tuple[str, ...] = ()) -> list[RuleResult]:
    """One pass over the table for all rules."""
    judge = RowRules(rules, Sight(look.types, look.now, modules))
    try:
        _look_at_all(look, judge)
    except CbmError as error:
        why = redact(error.message)
        return [tallied(look.spec, tally, Layer.ODS, judge.broken.get(name, why)) for name, tally in judge.tallies.items()]
    return [tallied(look.spec, tally, Layer.ODS, judge.broken.get(name)) for name, tally in judge.tallies.items()]


def _look_at_all(look: Look, judge: RowRules) -> None:
    names = list(dict.fromkeys((*judge.columns, *look.key_names)))
    text = STATEMENTS.render("quality/scan", relation=look.relation.ident, live=look.relation.live, columns=STATEMENTS.names(names))
    with closing(look.warehouse.batches(text, max(1, BATCH_CELLS // len(names)))) as batches:
        for batch in batches:
            frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
            judge.look(frame, frame.select(look.key_names))
