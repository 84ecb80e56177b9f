"""Views under business names and labels as comments: made on real engines, parsed as T-SQL for SQL Server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.settings import Settings, WarehouseSettings
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.presenting import Presents, views_of
from cbm_etl_assets.warehouse.sql import sql_root
from cbm_etl_assets_tests.contract.test_warehouse import Loader
from cbm_etl_assets_tests.tsql.fake_server import FakeServer
from cbm_etl_assets_tests.tsql.live import tsql_parser
from cbm_etl_assets_tests.tsql.matrix import make_warehouse
from cbm_etl_assets_tests.tsql.scriptdom import ScriptDom
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database, warehouse_of

__all__ = ["control_postgres", "postgres_database", "tsql_parser"]
NOW = dt.datetime(2026, 3, 1, 2, 0)


def client(**changes: object) -> TableSpec:
    return TableSpec.model_validate({
        "table": "client", "primary_key": ["cod"], "history": True, "description": "Les clients d'abord; -- et $tout",
        "columns": [
            {"name": "cod", "type": "varchar(10)", "label": "Code", "description": "l'identifiant"},
            {"name": "mt", "type": "integer", "label": "Montant [HT] ?"}, {"name": "mt2", "type": "integer", "label": "montant (ht)"},
        ],
    } | changes)  # fmt: skip


def loaded(loader: Loader, *rows: tuple[object, ...]) -> None:
    state, staging = loader.stage(list(rows))
    loader.apply(state, staging, "full")


@pytest.fixture(params=["duckdb", "postgresql"])
def loader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loader]:
    made = registry.create(Settings(home=tmp_path, warehouse=warehouse_of(request.param, request, tmp_path)), lambda: NOW)
    made.prepare()
    yield Loader(made, client())
    made.close()


def test_a_view_shows_live_rows_under_the_labels(loader: Loader) -> None:
    warehouse, spec = loader.warehouse, loader.spec
    assert isinstance(warehouse, Presents)
    loaded(loader, ("A", 1, 10), ("B", 2, 20))
    state, staging = loader.stage([("A", 3, 10)])
    loader.apply(state, staging, "full", deletions=warehouse.absent(spec, staging).keys)
    shown = views_of(spec, "bi", warehouse.capabilities.max_identifier_chars)
    for _ in range(2):
        warehouse.present(shown)
    current = warehouse.query("SELECT * FROM bi.v_client")
    assert current.columns == ("Code", "Montant (HT)", "montant (ht) (mt2)", "Updated at")
    assert current.rows == [("A", 3, 10, NOW)]
    history = warehouse.query('SELECT "Code", "Montant (HT)", "Is current" FROM bi.v_client_history ORDER BY "Code", "Valid from"')
    assert history.rows == [("A", 1, False), ("A", 3, True), ("B", 2, False)]


def test_views_follow_the_spec_and_go_when_told(loader: Loader) -> None:
    warehouse = loader.warehouse
    assert isinstance(warehouse, Presents)
    loaded(loader, ("A", 1, 10))
    warehouse.present(views_of(loader.spec, "bi", 63))
    renamed = client(columns=[{"name": "cod", "type": "varchar(10)", "label": "Nouveau nom"}], history=False)
    warehouse.present(views_of(renamed, "bi", 63))
    assert warehouse.query("SELECT * FROM bi.v_client").columns == ("Nouveau nom", "Updated at")
    warehouse.withdraw(views_of(loader.spec, "bi", 63))
    warehouse.withdraw(views_of(loader.spec, "bi", 63))
    left = warehouse.query("SELECT count(*) FROM information_schema.views WHERE table_schema = 'bi'")
    assert left.rows == [(0,)]


def test_a_column_is_widened_under_its_views(loader: Loader) -> None:
    warehouse = loader.warehouse
    assert isinstance(warehouse, Presents)
    loaded(loader, ("A", 1, 10))
    warehouse.present(views_of(loader.spec, "bi", 63))
    columns = [c.model_dump(exclude_unset=True) | ({"type": "bigint"} if c.name == "mt" else {}) for c in loader.spec.columns]
    loader.spec = client(columns=columns)
    loaded(loader, ("A", 2**40, 10))
    assert warehouse.query('SELECT "Montant (HT)" FROM bi.v_client').rows == [(2**40,)]
    assert warehouse.query('SELECT "Montant (HT)" FROM bi.v_client_history WHERE "Is current"').rows == [(2**40,)]


def comments(loader: Loader) -> dict[str, str]:
    sql = {
        "duckdb": "SELECT '' AS c, comment AS t FROM duckdb_tables() WHERE table_name = 'client' UNION ALL "
        "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'client' AND comment IS NOT NULL",
        "postgresql": "SELECT coalesce(a.attname::text, ''), d.description FROM pg_description AS d LEFT JOIN pg_attribute AS a "
        "ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND a.attnum > 0 WHERE d.objoid = 'ods.client'::regclass",
    }  # fmt: skip
    return {str(name): str(text) for name, text in loader.warehouse.query(sql[loader.warehouse.name]).rows}


def test_labels_stand_beside_the_columns_after_a_full_load_and_only_changes_are_written(loader: Loader) -> None:
    warehouse = loader.warehouse
    assert isinstance(warehouse, Presents)
    loaded(loader, ("A", 1, 10))
    wanted = {"": "Les clients d'abord; -- et $tout", "cod": "Code: l'identifiant", "mt": "Montant [HT] ?", "mt2": "montant (ht)"}
    assert comments(loader) == wanted
    assert warehouse.describe(loader.spec) == 0
    columns = [c.model_dump(exclude_unset=True) | ({"label": "Total"} if c.name == "mt" else {}) for c in loader.spec.columns]
    assert warehouse.describe(client(columns=columns)) == 1
    assert comments(loader) == wanted | {"mt": "Total"}


def test_the_views_of_sql_server_are_t_sql(tsql_parser: ScriptDom) -> None:
    texts = make_warehouse(FakeServer()).script(views_of(client(), "bi", 128))
    assert [text.split(" AS")[0].splitlines()[0] for text in texts[1:]] == [
        "CREATE OR ALTER VIEW [bi].[v_client]", "CREATE OR ALTER VIEW [bi].[v_client_history]",
    ]  # fmt: skip
    assert [errors for text in texts if (errors := tsql_parser.errors(text))] == []
    assert "[mt] AS [Montant (HT)]" in texts[1]
    assert tsql_parser.errors(texts[1].replace("WHERE", "WERE"))


def test_the_loader_makes_the_views_and_a_reader_sees_them_and_nothing_else(postgres_database: str) -> None:
    """The grant scripts, on a server: neither login owns the database, and views made anew stay readable."""
    import psycopg
    from psycopg import errors

    warehouse = registry.create(Settings(warehouse=WarehouseSettings(kind="postgresql", connection_string=SecretStr(postgres_database))))
    with closing(warehouse), psycopg.connect(postgres_database, autocommit=True) as connection:
        assert isinstance(warehouse, Presents)
        for name in ("warehouse_login", "report_login", "views"):
            connection.execute((sql_root() / "postgresql" / "grants" / f"{name}.sql").read_text(encoding="utf-8"))
        try:
            connection.execute("REVOKE ALL ON SCHEMA ods FROM cbm_report")
            connection.execute("SET ROLE cbm_etl")
            connection.execute("CREATE TABLE ods.client (cod text, _updated_at timestamp, _is_deleted boolean)")
            spec = client(columns=[{"name": "cod", "type": "varchar(10)", "label": "Code"}], history=False)
            for _ in range(2):
                for text in warehouse.script(views_of(spec, "bi", 63)):
                    connection.execute(text)
            connection.execute("SET ROLE cbm_report")
            assert connection.execute('SELECT "Code" FROM bi.v_client').fetchall() == []
            for refused in ("SELECT * FROM ods.client", "DELETE FROM bi.v_client", "CREATE VIEW bi.mine AS SELECT 1 AS one"):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(refused)
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP SCHEMA bi, stg, ods, marts CASCADE")
            connection.execute("DROP OWNED BY cbm_report")
            connection.execute("DROP OWNED BY cbm_etl")
            connection.execute("DROP ROLE cbm_etl, cbm_report")
