"""The statements of table rules and the scan of row rules, executed on every warehouse: the same findings on the same rows."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cbm_etl_assets.metadata.rulekinds import Layer, Scope, kinds
from cbm_etl_assets.pipeline.ods_rules import scan
from cbm_etl_assets.pipeline.suggest import with_rules
from cbm_etl_assets.pipeline.validate import judge
from cbm_etl_assets.quality.look import Look, Relation
from cbm_etl_assets.warehouse.port import Warehouse
from cbm_etl_assets.warehouse.sql import sql_root
from cbm_etl_assets_tests.contract.test_warehouse import Loader, control_postgres, loader, postgres_database, row, warehouse
from cbm_etl_assets_tests.specs import make_spec

__all__ = ["control_postgres", "loader", "postgres_database", "warehouse"]
NOW = dt.datetime(2026, 1, 9, 12)
ROWS = [row(1, "A", 2), row(2, "a ", 3), row(3, "B", 1), row(4, "C", 8), row(5, "D", 9)]
# rule -> (checked, failed, keys that fail), with text compared as OpenEdge compares it
EXPECTED: list[tuple[Any, tuple[int, int, tuple[str, ...]]]] = [
    ({"unique": ["nom"]}, (5, 2, ("1", "2"))),
    ({"duplicate_keys": {"layer": "ods"}}, (5, 0, ())),
    ({"foreign_key": {"columns": ["nom"], "table": "client", "to": ["nom"], "layer": "ods"}}, (5, 0, ())),
    ({"foreign_key": {"columns": ["nom"], "table": "other", "to": ["nom"], "layer": "ods"}}, (5, 3, ("3", "4", "5"))),
    ({"row_count": {"max": 4}}, (5, 1, ())),
    ({"freshness": {"column": "dat_mod", "max_age": "1d"}}, (1, 0, ())),
    ({"freshness": {"column": "dat_mod", "max_age": "11h"}}, (1, 1, ())),
    ({"monotonic": "dat_mod"}, (5, 1, ("3",))),
    ({"monotonic": {"column": "dat_mod", "by": ["nom", "cod_cli"], "decreasing": True}}, (5, 0, ())),
]


def look_at(warehouse: Warehouse, spec: Any, relation: Relation) -> Look:
    catalog = {"client": spec, "other": make_spec(table="other")}
    control: Any = None
    return Look(
        spec=spec, relation=relation, warehouse=warehouse, control=control, now=NOW, utc=NOW, catalog=catalog, loose_text=True
    )  # fmt: skip


def test_table_rules_find_the_same_on_every_warehouse(loader: Loader) -> None:
    loader.load([*ROWS, row(9, "gone")])
    other = Loader(loader.warehouse, make_spec(table="other"))
    other.load([row(1, "a"), row(2, "gone")])
    loader.replace_all(ROWS)
    for line, (checked, failed, keys) in EXPECTED[:-1]:
        spec = with_rules(loader.spec, [line])
        found = judge(spec.rules[0], look_at(loader.warehouse, spec, Relation("ods", "client")), Layer.ODS)
        assert (found.message if "could not" in found.message else "", found.checked, found.failed, found.samples) == (
            "", checked, failed, keys,
        ), line  # fmt: skip
    # Two texts that differ in case only have an order of their own in each database; that it runs is what counts.
    spec = with_rules(loader.spec, [EXPECTED[-1][0]])
    assert "could not" not in judge(spec.rules[0], look_at(loader.warehouse, spec, Relation("ods", "client")), Layer.ODS).message


def test_a_staged_load_is_judged_before_the_merge(loader: Loader) -> None:
    _, staging = loader.stage([*ROWS, row(1, "again")])
    spec = with_rules(loader.spec, ["duplicate_keys", {"unique": {"columns": ["nom"], "layer": "stg"}}])
    look = look_at(loader.warehouse, spec, Relation("stg", staging.name))
    duplicates, unique = (judge(rule, look, Layer.STG) for rule in spec.rules)
    assert (duplicates.checked, duplicates.failed, duplicates.samples) == (6, 1, ("1",))
    assert (unique.checked, unique.failed) == (6, 2)


def test_row_rules_stream_over_live_rows(loader: Loader) -> None:
    loader.load([*ROWS, row(9, "gone")])
    loader.replace_all(ROWS)
    spec = with_rules(
        loader.spec, [{"pattern": {"column": "nom", "regex": "[A-D]"}}, {"range": {"column": "dat_mod", "max": "2026-01-08"}}]
    )
    pattern, bounds = scan(look_at(loader.warehouse, spec, Relation("ods", "client")), spec.rules)
    assert (pattern.checked, pattern.failed, pattern.samples) == (5, 1, ("2",))
    assert (bounds.failed, bounds.samples) == (1, ("5",))
    last = scan(look_at(loader.warehouse, spec, Relation("ods", "client", seq=2)), spec.rules)
    assert [r.checked for r in last] == [0, 0]  # the second load wrote no live row


def test_a_table_never_loaded_is_no_orphanage(loader: Loader) -> None:
    loader.load(ROWS)
    spec = with_rules(loader.spec, [{"foreign_key": {"columns": ["nom"], "table": "other", "to": ["nom"]}}])
    found = judge(spec.rules[0], look_at(loader.warehouse, spec, Relation("ods", "client")), Layer.ODS)
    assert (found.verdict, found.message) == ("SKIPPED", "ods.other was never loaded")


def test_every_statement_belongs_to_a_rule_of_these_tests() -> None:
    files = {path.stem for path in (sql_root() / "common" / "quality").glob("*.sql")}
    assert files == {
        "unique", "unique_keys", "duplicates", "orphans", "orphan_keys", "count", "newest", "monotonic", "monotonic_keys", "scan",
    }  # fmt: skip
    asking = {name for name, kind in kinds().items() if kind.scope is Scope.TABLE and Layer.ODS in kind.layers}
    assert asking == {next(iter(line)) for line, _ in EXPECTED}


@pytest.mark.parametrize("name", ['nom"; DROP TABLE ods.client; --', "a'b", "x" * 100])
def test_identifiers_are_quoted_whatever_they_hold(name: str) -> None:
    from cbm_etl_assets.quality.look import ansi_quote

    assert ansi_quote(name)[1:-1].replace('""', "") == name.replace('"', "")
