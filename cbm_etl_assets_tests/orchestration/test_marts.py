"""The example mart, on a real DuckDB file through dagster-duckdb's resource."""

from pathlib import Path

import dagster as dg
import duckdb
import pytest

from cbm_etl_assets.errors import SpecError, TransientWarehouseError, WarehouseError
from cbm_etl_assets.orchestration.marts import Mart, find_marts, mart_assets, open_duckdb, run_mart
from cbm_etl_assets.orchestration.resources import duckdb_resource
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse.sql import sql_root
from cbm_etl_assets_tests.orchestration.helpers import catalog, daily, definitions, spec

ODS = """
CREATE SCHEMA ods;
CREATE TABLE ods.client (cod_cli INT, nom_cli TEXT, _is_deleted BOOLEAN);
CREATE TABLE ods.entetcli (no_cde INT, cod_cli INT, "Date" DATE, _is_deleted BOOLEAN);
CREATE TABLE ods.lignecli (uniq_id INT, no_cde INT, qte_cde DECIMAL(15,3), px_net DECIMAL(17,5), _is_deleted BOOLEAN);
INSERT INTO ods.client VALUES (1, 'Durand', false), (2, 'Martin', false), (3, 'Parti', true);
INSERT INTO ods.entetcli VALUES (10, 1, '2026-01-05', false), (11, 1, '2026-02-06', false), (12, 1, '2026-03-01', true);
INSERT INTO ods.lignecli VALUES (100, 10, 2, 5.5, false), (101, 11, 1, 3, false), (102, 11, 9, 9, true), (103, 12, 7, 7, false);
"""


@pytest.fixture
def warehouse(settings: Settings) -> Path:
    settings.warehouse_path.parent.mkdir(parents=True)
    with duckdb.connect(settings.warehouse_path, config={"storage_compatibility_version": "v1.5.0"}) as connection:
        connection.execute(ODS)
    return settings.warehouse_path


def the_mart() -> Mart:
    return Mart.parse("ca_par_client", (sql_root() / "marts" / "ca_par_client.sql").read_text(encoding="utf-8"))


def test_the_mart_counts_live_rows_only(settings: Settings, warehouse: Path, instance: dg.DagsterInstance) -> None:
    [asset] = mart_assets([the_mart()], settings)
    for _ in range(2):
        result = dg.materialize([asset], resources={"duckdb": duckdb_resource(settings)}, instance=instance)
        assert result.asset_materializations_for_node("marts__ca_par_client")[0].metadata["dagster/row_count"].value == 2
    with duckdb.connect(warehouse, read_only=True) as connection:
        rows = connection.execute("SELECT cod_cli, nb_commandes, nb_lignes, ca_net FROM marts.ca_par_client ORDER BY 1").fetchall()
    assert rows == [(1, 2, 2, 14.0), (2, 0, 0, 0.0)]


def test_the_mart_is_downstream_of_what_it_reads(settings: Settings) -> None:
    graph = definitions(catalog(daily("client"), daily("entetcli"), spec("lignecli")), settings).resolve_asset_graph()
    parents = graph.get(dg.AssetKey(["marts", "ca_par_client"])).parent_keys
    assert {p.to_user_string() for p in parents} == {"ods/client", "ods/entetcli", "ods/lignecli"}
    assert find_marts(catalog(daily("client"))) == []


def test_a_mart_creates_no_warehouse(settings: Settings) -> None:
    with pytest.raises(WarehouseError, match="no warehouse file for mart 'ca_par_client'"):
        run_mart(the_mart(), duckdb_resource(settings), settings)
    assert not settings.warehouse_path.exists()


def test_a_failed_mart_leaves_the_old_one_and_closes_the_file(settings: Settings, warehouse: Path) -> None:
    resource = duckdb_resource(settings)
    run_mart(the_mart(), resource, settings)
    broken = Mart("ca_par_client", ("client",), "", "DROP TABLE marts.ca_par_client; SELECT nothing FROM ods.client;")
    with pytest.raises(duckdb.BinderException):
        run_mart(broken, resource, settings)
    with duckdb.connect(warehouse, read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM marts.ca_par_client").fetchone() == (2,)


def test_a_locked_file_is_transient() -> None:
    class Locked:
        def get_connection(self) -> None:
            raise OSError("IO Error: Could not set lock on file")

    with pytest.raises(TransientWarehouseError, match="stayed locked"), open_duckdb(Locked()):
        pass


def test_a_mart_without_a_header_is_refused() -> None:
    with pytest.raises(SpecError, match="does not say which ODS tables it reads"):
        Mart.parse("x", "SELECT 1")
