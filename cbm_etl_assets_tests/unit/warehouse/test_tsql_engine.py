"""The stand-in that carries our T-SQL out can fail: take one guard out of a statement, and a life of one table ends otherwise."""

from __future__ import annotations

import pytest

from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import SqlServerStatements
from cbm_etl_assets.warehouse.port import TableState
from cbm_etl_assets.warehouse.sql import Value
from cbm_etl_assets_tests.contract.test_warehouse import Loader, row
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.tsql.engine import Engine
from cbm_etl_assets_tests.tsql.matrix import make_warehouse
from cbm_etl_assets_tests.tsql.scriptdom import ScriptDom


def life(parser: ScriptDom) -> list[object]:
    """Inserts, updates, duplicates, deletes, a return, a late load, an older full load, history: everything a guard is for."""
    engine = Engine(parser)
    loader = Loader(make_warehouse(engine, sender=engine.bulk), make_spec(history=True))
    try:
        told: list[object] = [loader.load([row(1), row(2, "old", 1), row(2, "new", 3), row(3)], watermark=row(1)[1])]
        early = loader.warehouse.acquire("client")
        told.append(loader.load([row(1, "a", 5)], "incremental"))
        _, staging = loader.stage([row(1, "late", 9), row(4)], early)
        now = TableState("client", fencing_token=loader.warehouse.state("client").fencing_token)
        told.append(loader.apply(now, staging, "partition"))
        told.append(loader.replace_all([row(2, "new", 3)]))
        key = loader.warehouse.arrow("SELECT _key_hash FROM ods.client WHERE cod_cli = 1")
        told.append(loader.apply(*loader.stage([]), "partition", deletions=key))  # gone already
        told.append(loader.load([row(3)], "incremental"))
        older = loader.warehouse.acquire("client")
        loader.load([row(1, "a", 5), row(2, "new", 3), row(3), row(5)])
        _, ghost = loader.stage([row(9)], older)
        now = TableState("client", fencing_token=loader.warehouse.state("client").fencing_token)
        told += [loader.apply(now, ghost, "partition"), loader.warehouse.state("client")]
        told += [loader.stored("cod_cli, nom, _load_seq, _is_deleted"), loader.versions()]
    except (CbmError, AssertionError) as error:
        told = [str(error)]
    finally:
        engine.database.close()
    return told


GUARDS = [
    ("apply/classify", "WHEN o._load_seq > @seq THEN 'S'", ""), ("apply/classify", "WHEN o._is_deleted = 1 THEN 'R'", ""),
    ("apply/tombstone", "o._is_deleted = 0 AND ", ""), ("apply/deduplicate", " DESC", ""), ("apply/update", "'U', ", ""),
    ("apply/versions", "WHERE h._valid_to IS NULL;", ";"), ("apply/close_deleted", "h._valid_to IS NULL AND ", ""),
    ("apply/end", "@is_complete = 1 AND ", ""), ("apply/end", "last_full_seq < @seq THEN @seq", "last_full_seq < @seq THEN 0"),
    ("apply/insert", "WHERE c.outcome = 'I'", ""), ("ods/absent", "AND o._load_seq < @seq", "AND 1 = 0"),
]  # fmt: skip


@pytest.fixture(scope="module")
def as_it_is(tsql_parser: ScriptDom) -> list[object]:
    told = life(tsql_parser)
    assert len(told) > 5, told
    return told


@pytest.mark.parametrize(("name", "guard", "instead"), GUARDS)
def test_a_guard_taken_out_is_noticed(
    tsql_parser: ScriptDom, as_it_is: list[object], monkeypatch: pytest.MonkeyPatch, name: str, guard: str, instead: str
) -> None:
    plain = SqlServerStatements.render

    def render(self: SqlServerStatements, wanted: str, **values: Value | str) -> str:
        text = plain(self, wanted, **values)
        assert wanted != name or guard in text
        return text.replace(guard, instead) if wanted == name else text

    monkeypatch.setattr(SqlServerStatements, "render", render)
    assert life(tsql_parser) != as_it_is
