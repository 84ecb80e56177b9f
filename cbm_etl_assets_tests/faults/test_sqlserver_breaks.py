"""The link to SQL Server breaks at every single statement of a load, before it is carried out or before it is answered."""

from __future__ import annotations

from typing import Any

import pytest

from cbm_etl_assets.errors import TransientWarehouseError
from cbm_etl_assets.reliability.retry import RetryPolicy
from cbm_etl_assets.warehouse.port import Outcome, StagingTable, TableState
from cbm_etl_assets_tests.contract.test_warehouse import Loader, row
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.tsql.engine import Engine
from cbm_etl_assets_tests.tsql.matrix import make_warehouse
from cbm_etl_assets_tests.tsql.scriptdom import ScriptDom

BEFORE = [row(1), row(2), row(3, "gone")]
AFTER = [row(1, "changed", 5), row(2), row(4, "new")]


class Life:
    """A table of three rows with history, then a full load that adds a column, changes, deletes and inserts."""

    def __init__(self, parser: ScriptDom, parsed: dict[str, Any]) -> None:
        self.engine = Engine(parser, parsed=parsed)
        warehouse = make_warehouse(self.engine, sender=self.engine.bulk)
        warehouse.retry = RetryPolicy(retries=0)
        self.loader = Loader(warehouse, make_spec(history=True))
        self.loader.load(BEFORE)
        columns = [c.model_dump(exclude_defaults=True) for c in self.loader.spec.columns] + [{"name": "qte", "type": "integer"}]
        self.loader.spec = make_spec(columns=columns, history=True)

    def second_load(self) -> Outcome:
        return self.loader.replace_all([(*r, 7) for r in AFTER])

    def story(self) -> tuple[object, ...]:
        """All that a reader sees, sequence numbers aside."""
        state = self.loader.warehouse.state("client")
        rows = self.loader.stored("cod_cli, nom, qte")
        gone = self.loader.warehouse.query("SELECT nom FROM ods.client WHERE _deleted_at IS NOT NULL").rows
        return rows, gone, self.loader.versions(), state.hash_columns, self.loader.warehouse.left_over()


def test_a_load_that_breaks_anywhere_is_healed_by_the_next(tsql_parser: ScriptDom) -> None:
    parsed: dict[str, Any] = {}
    whole = Life(tsql_parser, parsed)
    whole.engine.breaks_in = 10_000
    whole.second_load()
    calls, expected = 10_000 - whole.engine.breaks_in, whole.story()
    assert calls > 25
    for done in (False, True):
        for call in range(1, calls + 1):
            life = Life(tsql_parser, parsed)
            life.engine.breaks_in, life.engine.done = call, done
            try:
                life.second_load()
            except TransientWarehouseError:
                life.engine.breaks_in = -1
                life.second_load()
            assert life.story() == expected, f"call {call} of {calls}, {'answer lost' if done else 'not carried out'}"
            life.engine.database.close()


@pytest.mark.parametrize("done", [False, True])
def test_an_apply_that_is_tried_again_counts_every_row_once(tsql_parser: ScriptDom, done: bool) -> None:
    """As the pipeline retries: the same request, the same staging table. Applied already, or not at all: the outcome is the same."""
    parsed: dict[str, Any] = {}
    for call in range(1, 20):
        life = Life(tsql_parser, parsed)
        loader = life.loader
        state, staging = loader.stage([(*r, 7) for r in AFTER])
        gone = loader.warehouse.absent(loader.spec, staging).keys
        life.engine.breaks_in, life.engine.done = call, done
        outcome = tried_again(loader, state, staging, gone)
        life.engine.breaks_in = -1
        assert outcome == Outcome(read=3, inserted=1, updated=1, unchanged=1, deleted=1), call
        assert [v[1] for v in loader.versions()] == ["x", "changed", "x", "gone", "new"]
        life.engine.database.close()


def tried_again(loader: Loader, state: TableState, staging: StagingTable, gone: Any) -> Outcome:
    try:
        return loader.apply(state, staging, deletions=gone)
    except TransientWarehouseError:
        return loader.apply(state, staging, deletions=gone)
