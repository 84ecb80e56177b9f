"""A warehouse that stages raw files where they lie gives what staged batches give. Parametrised over those that can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cbm_etl_assets.errors import DuplicateKeyError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.settings import Settings, WarehouseSettings
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.port import Outcome, StagesFiles, StagingTable, TableState, Warehouse
from cbm_etl_assets_tests.contract.test_warehouse import NOW, Loader, Row
from cbm_etl_assets_tests.specs import make_spec

STAGING_FILES = ("duckdb",)


@pytest.fixture(params=STAGING_FILES)
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    made = registry.create(Settings(home=tmp_path / "home", warehouse=WarehouseSettings(kind=request.param)), lambda: NOW)
    assert isinstance(made, StagesFiles)
    made.prepare()
    yield made
    made.close()


class FileLoader(Loader):
    """Stages two raw files a load, as an extraction in two parts leaves them."""

    def __init__(self, warehouse: Warehouse, spec: TableSpec, folder: Path) -> None:
        super().__init__(warehouse, spec)
        self.folder = folder

    def stage(self, rows: list[Row], state: TableState | None = None) -> tuple[TableState, StagingTable]:
        state = state or self.warehouse.acquire(self.spec.name)
        staging = StagingTable(self.spec.name, f"{self.spec.name}__{state.last_issued_seq}", state.last_issued_seq)
        half = len(rows) // 2
        parts = [rows[:half], rows[half:]]
        files = [(self.write(f"{staging.name}-{number} it's.parquet", part), len(part)) for number, part in enumerate(parts)]
        assert isinstance(self.warehouse, StagesFiles)
        assert self.warehouse.stage_files(self.spec, staging, files) == len(rows)
        return state, staging

    def write(self, name: str, rows: list[Row]) -> Path:
        columns = self.spec.columns
        raw = pa.record_batch(
            [pa.array([r[i] for r in rows], c.source_logical.arrow()) for i, c in enumerate(columns)], names=[c.name for c in columns]
        )
        key, diff = RowTransform(self.spec, case_insensitive_keys=True).hashes(raw)
        table = pa.Table.from_arrays([*raw.columns, key, diff], names=[*raw.schema.names, "_key_hash", "_hashdiff"])
        pq.write_table(table, self.folder / name)
        return self.folder / name


def loader(warehouse: Warehouse, folder: Path, **overrides: object) -> FileLoader:
    columns = [{"name": "Cod-Cli", "type": "varchar(8)"}, {"name": "Nom", "type": "varchar(40)"}]
    spec = make_spec(primary_key=["Cod-Cli"], cursor=None, columns=columns, **overrides)
    return FileLoader(warehouse, spec, folder)


def rows_of(warehouse: Warehouse) -> list[Row]:
    return warehouse.query("SELECT cod_cli, nom FROM ods.client WHERE _deleted_at IS NULL ORDER BY cod_cli").rows


def test_rows_are_inserted_updated_and_left_alone(warehouse: Warehouse, tmp_path: Path) -> None:
    load = loader(warehouse, tmp_path)
    assert load.replace_all([("A", "Ann"), ("B", "Bob"), ("C", None)]) == Outcome(read=3, inserted=3)
    state, staging = load.stage([("A", "Ann"), ("B", "Bea"), ("D", "Dan"), ("E", "Été")])
    assert load.apply(state, staging, mode="incremental") == Outcome(read=4, inserted=2, updated=1, unchanged=1)
    assert rows_of(warehouse) == [("A", "Ann"), ("B", "Bea"), ("C", None), ("D", "Dan"), ("E", "Été")]
    assert warehouse.left_over() == []


def test_a_repeated_key_is_left_out_once_and_counted(warehouse: Warehouse, tmp_path: Path) -> None:
    load = loader(warehouse, tmp_path, duplicate_keys_max=1)
    outcome = load.replace_all([("A", "Ann"), ("B", "Bob"), ("A", "Ann")])
    assert outcome == Outcome(read=3, inserted=2, deduplicated=1)
    assert rows_of(warehouse) == [("A", "Ann"), ("B", "Bob")]
    assert warehouse.left_over() == []


def test_a_key_that_is_none_is_refused_and_the_next_load_sweeps(warehouse: Warehouse, tmp_path: Path) -> None:
    load = loader(warehouse, tmp_path, duplicate_keys_max=0)
    with pytest.raises(DuplicateKeyError):
        load.replace_all([("A", "Ann"), ("A", "Bob")])
    assert warehouse.left_over() == ["client__1"]
    assert warehouse.drop_staging("client") == 1
    assert warehouse.left_over() == []


def test_what_was_not_delivered_is_told(warehouse: Warehouse, tmp_path: Path) -> None:
    load = loader(warehouse, tmp_path)
    load.replace_all([("A", "Ann"), ("B", "Bob")])
    _, staging = load.stage([("B", "Bob")])
    absent = warehouse.absent(load.spec, staging)
    assert absent.live == 2
    assert absent.keys.column(0).to_pylist() == ["A"]


def test_staged_rows_can_be_read_before_the_merge_and_no_other_file(warehouse: Warehouse, tmp_path: Path) -> None:
    load = loader(warehouse, tmp_path)
    other = load.write("other.parquet", [("Z", "secret")])
    load.stage([("A", "Ann"), ("B", "Bob")])
    assert warehouse.query("SELECT cod_cli FROM stg.client__1 ORDER BY 1").rows == [("A",), ("B",)]
    with pytest.raises(WarehouseError):
        warehouse.query(f"SELECT * FROM read_parquet('{other}')")


def test_files_it_cannot_show_are_left_to_batches(warehouse: Warehouse, tmp_path: Path) -> None:
    load = loader(warehouse, tmp_path)
    assert isinstance(warehouse, StagesFiles)
    staging = StagingTable("client", "client__1", 1)
    assert warehouse.stage_files(load.spec, staging, []) is None
    pattern = load.write("part[1].parquet", [("A", "Ann")])
    assert warehouse.stage_files(load.spec, staging, [(pattern, 1)]) is None
    assert warehouse.left_over() == []
