"""Every warehouse keeps the same promises. Parametrised over registry.names(), on the real engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cbm_etl_assets.errors import DuplicateKeyError, LostLockError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.port import ApplyRequest, Outcome, StagingTable, TableState, Warehouse
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database, warehouse_of

__all__ = ["control_postgres", "postgres_database"]

NOW = dt.datetime(2026, 3, 1, 2, 0)
T0 = dt.datetime(2026, 3, 1, 3, 0)
Row = tuple[Any, ...]


@pytest.fixture(params=registry.names())
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    settings = Settings(home=tmp_path, warehouse=warehouse_of(request.param, request, tmp_path))
    made = registry.create(settings, lambda: NOW)
    made.prepare()
    yield made
    made.close()


class Loader:
    """Plays the pipeline's part: issue a seq, stage rows, apply."""

    def __init__(self, warehouse: Warehouse, spec: TableSpec) -> None:
        self.warehouse, self.spec, self.t0 = warehouse, spec, T0

    def stage(self, rows: list[Row], state: TableState | None = None) -> tuple[TableState, StagingTable]:
        """`state` is the answer of an earlier `acquire`: a load that started reading then and stages only now."""
        state = state or self.warehouse.acquire(self.spec.name)
        staging = StagingTable(self.spec.name, f"{self.spec.name}__{state.last_issued_seq}", state.last_issued_seq)
        names = [c.name for c in self.spec.columns]
        arrays = [pa.array([r[i] for r in rows], c.source_logical.arrow()) for i, c in enumerate(self.spec.columns)]
        raw = pa.record_batch(arrays, names=names)
        transform = RowTransform(self.spec, case_insensitive_keys=True)
        key, diff = transform.hashes(raw)
        columns = [*arrays, key.cast(pa.binary()), diff.cast(pa.binary())]
        batch = pa.RecordBatch.from_arrays(columns, names=[*(n for n, _ in self.spec.target_columns), "_key_hash", "_hashdiff"])
        assert self.warehouse.load_staging(self.spec, staging, iter([batch])) == len(rows)
        return state, staging

    def apply(
        self,
        state: TableState,
        staging: StagingTable,
        mode: str = "full",
        watermark: dt.datetime | None = None,
        deletions: pa.Table | None = None,
    ) -> Outcome:
        hash_columns = RowTransform(self.spec, case_insensitive_keys=True).hash_columns
        return self.warehouse.apply(
            ApplyRequest(
                spec=self.spec,
                staging=staging,
                mode=mode,
                seq=staging.seq,
                fencing_token=state.fencing_token,
                run_id=f"run-{staging.seq}",
                t0=self.t0,
                watermark=watermark,
                hash_columns=hash_columns,
                deletions=deletions,
            )
        )

    def replace_all(self, rows: list[Row]) -> Outcome:
        """A full load that tombstones what is absent (the pipeline adds the guard and the key probe)."""
        state, staging = self.stage(rows)
        return self.apply(state, staging, deletions=self.warehouse.absent(self.spec, staging).keys)

    def versions(self) -> list[Row]:
        return self.warehouse.query(
            "SELECT cod_cli, nom, _valid_from, _valid_to FROM ods.client_history ORDER BY cod_cli, _valid_from"
        ).rows

    def load(self, rows: list[Row], mode: str = "full", watermark: dt.datetime | None = None) -> Outcome:
        return self.apply(*self.stage(rows), mode, watermark)

    def stored(self, columns: str = "cod_cli, nom") -> list[Row]:
        return self.warehouse.query(f"SELECT {columns} FROM ods.client WHERE _deleted_at IS NULL ORDER BY 1, 2").rows


@pytest.fixture
def loader(warehouse: Warehouse) -> Loader:
    return Loader(warehouse, make_spec())


def row(key: int, name: str = "x", day: int = 1) -> Row:
    return (key, dt.datetime(2026, 1, day), name, None)


def test_insert_update_unchanged_are_told_apart(loader: Loader) -> None:
    assert loader.load([row(1), row(2), row(3)]) == Outcome(read=3, inserted=3)
    assert loader.load([row(1), row(2, "y"), row(4)], "incremental") == Outcome(read=3, inserted=1, updated=1, unchanged=1)
    assert loader.stored() == [(1, "x"), (2, "y"), (3, "x"), (4, "x")]


def test_a_run_with_nothing_to_do_changes_no_row_and_no_stamp(loader: Loader) -> None:
    loader.load([row(1), row(2)])
    before = loader.warehouse.query("SELECT * FROM ods.client ORDER BY cod_cli").rows
    assert loader.load([row(2), row(1)]) == Outcome(read=2, unchanged=2)
    assert loader.warehouse.query("SELECT * FROM ods.client ORDER BY cod_cli").rows == before


def test_technical_columns_are_there_from_the_first_release(loader: Loader) -> None:
    loader.load([row(1)])
    found = loader.warehouse.query("SELECT * FROM ods.client")
    stored = dict(zip(found.columns, found.rows[0], strict=True))
    assert len(bytes(stored["_key_hash"])) == len(bytes(stored["_hashdiff"])) == 32
    assert [stored[c] for c in ("_hash_version", "_load_seq", "_extracted_at", "_updated_at", "_run_id", "_is_deleted", "_deleted_at")] == [
        1, 1, T0, NOW, "run-1", False, None,
    ]  # fmt: skip


def test_an_empty_first_load_makes_an_empty_table(loader: Loader) -> None:
    assert loader.load([]) == Outcome()
    assert loader.stored() == []


def test_the_freshest_read_wins(loader: Loader) -> None:
    loader.load([row(1, "old"), row(2, "old")])
    started_early = loader.warehouse.acquire("client")
    late = loader.stage([row(1, "read late")])
    assert loader.apply(*late, mode="incremental") == Outcome(read=1, updated=1)
    early = loader.stage([row(1, "read early"), row(3, "read early")], started_early)
    with pytest.raises(LostLockError):
        loader.apply(*early, mode="partition")
    current = loader.warehouse.state("client")
    outcome = loader.apply(TableState("client", fencing_token=current.fencing_token), early[1], mode="partition")
    assert outcome == Outcome(read=2, superseded=1, inserted=1)
    assert loader.stored() == [(1, "read late"), (2, "old"), (3, "read early")]


def test_a_load_older_than_the_last_full_changes_nothing(loader: Loader) -> None:
    started_early = loader.warehouse.acquire("client")
    loader.load([row(1)])
    _, staging = loader.stage([row(9, "ghost")], started_early)
    current = loader.warehouse.state("client")
    assert loader.apply(TableState("client", fencing_token=current.fencing_token), staging, "partition") == Outcome(read=1, superseded=1)
    assert loader.stored() == [(1, "x")]


def test_the_watermark_moves_with_its_data_and_only_forwards(loader: Loader) -> None:
    day = dt.datetime(2026, 1, 5)
    loader.load([row(1)], watermark=day)
    assert loader.warehouse.state("client").watermark == day
    loader.load([row(1)], "incremental", watermark=day - dt.timedelta(days=2))
    loader.load([row(1)], "partition", watermark=None)
    assert loader.warehouse.state("client").watermark == day


def test_a_failed_apply_moves_nothing(loader: Loader) -> None:
    loader.load([row(1)], watermark=dt.datetime(2026, 1, 1))
    before = loader.warehouse.state("client")
    loader.spec = make_spec(duplicate_keys_max=0)
    state, staging = loader.stage([row(1, "a"), row(1, "b")])
    with pytest.raises(DuplicateKeyError, match="cod_cli is not a key: 1 keys"):
        loader.apply(state, staging, watermark=dt.datetime(2026, 1, 9))
    after = loader.warehouse.state("client")
    assert (after.watermark, after.last_applied_seq) == (before.watermark, before.last_applied_seq)
    assert loader.stored() == [(1, "x")]


def test_duplicates_in_one_extraction_keep_the_greatest_cursor(loader: Loader) -> None:
    assert loader.load([row(1, "old", 1), row(1, "new", 3), row(1, "mid", 2), row(2)]) == Outcome(read=4, inserted=2, deduplicated=2)
    assert loader.stored() == [(1, "new"), (2, "x")]


def test_a_key_spelled_anew_is_an_update(warehouse: Warehouse) -> None:
    columns = [{"name": "k", "type": "varchar(9)"}, {"name": "v", "type": "integer"}]
    loader = Loader(warehouse, make_spec(columns=columns, primary_key=["k"], cursor=None))
    loader.load([("abc", 1)])
    assert loader.load([("ABC ", 1)]) == Outcome(read=1, updated=1)
    assert loader.stored("k, v") == [("ABC ", 1)]


def test_hyphenated_and_reserved_names(warehouse: Warehouse) -> None:
    columns = [{"name": n, "type": "integer"} for n in ("gencod-v", "order", "Select", 'quo"te')]
    loader = Loader(warehouse, make_spec(columns=columns, primary_key=["gencod-v"], cursor=None))
    loader.load([(1, 2, 3, 4)])
    assert loader.stored('gencod_v, "order", "Select", quo_te') == [(1, 2, 3, 4)]


def test_an_added_column_and_a_widened_type_evolve_the_table(loader: Loader) -> None:
    loader.load([row(1)])
    columns = [
        {"name": "cod_cli", "type": "bigint"}, {"name": "dat_mod", "type": "timestamp"}, {"name": "nom", "type": "varchar(80)"},
        {"name": "gencod-v", "type": "varchar(20)"}, {"name": "qte", "type": "integer"},
    ]  # fmt: skip
    loader.spec = make_spec(columns=columns)
    assert loader.load([(*row(1), 5), (*row(2), None)]) == Outcome(read=2, inserted=1, unchanged=1)
    loader.spec = make_spec(columns=[*columns[:4], {"name": "qte", "type": "decimal(15,2)"}])
    loader.load([(*row(3), 7)], "incremental")
    assert [tuple(map(str, r)) for r in loader.stored("cod_cli, qte")] == [("1", "5.00"), ("2", "None"), ("3", "7.00")]


def test_a_retyped_column_stops_in_words(loader: Loader) -> None:
    loader.load([row(1)])
    loader.spec = make_spec(columns=[
        {"name": "cod_cli", "type": "bigint"}, {"name": "dat_mod", "type": "timestamp"}, {"name": "nom", "type": "date"},
    ])  # fmt: skip
    with pytest.raises(WarehouseError, match=r"(?i)column 'nom' is [a-z0-9()]+ in ODS and date in the spec"):
        loader.load([(1, None, None)])
    assert loader.stored() == [(1, "x")]


def test_staging_leaves_nothing_behind(loader: Loader) -> None:
    loader.load([row(1)])
    killed = loader.stage([row(2)])[1]
    assert loader.warehouse.drop_staging("clien") == 0
    assert loader.warehouse.drop_staging("client") == 1
    assert loader.warehouse.drop_staging("client") == 0
    loader.stage([row(3)])
    loader.warehouse.acquire("client")
    assert loader.warehouse.drop_staging("client") == 0
    assert killed.name == "client__2"


@pytest.mark.parametrize("statement", ["DELETE FROM ods.client", "DROP TABLE ods.client", "CREATE TABLE x (i INTEGER)"])
def test_the_query_door_only_reads(loader: Loader, statement: str) -> None:
    loader.load([row(1)])
    with pytest.raises(WarehouseError):
        loader.warehouse.query(statement)
    assert loader.stored() == [(1, "x")]


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        ("SELECT * FROM ods.clients", "check the name"), ("SELECT nope FROM ods.client", "check the statement"),
        ("SELEC 1", "check the statement"), ("SELECT CAST('a' AS INTEGER)", "check the statement"),
        ("DELETE FROM ods.client", "only reading"), ("", "for instance"), ("-- nothing", "for instance"),
    ],
)  # fmt: skip
def test_the_remedy_fits_what_was_refused(loader: Loader, statement: str, remedy: str) -> None:
    loader.load([row(1)])
    with pytest.raises(WarehouseError) as caught:
        loader.warehouse.query(statement)
    assert caught.value.remedy.startswith(remedy)


def test_every_type_comes_back_exact(warehouse: Warehouse) -> None:
    from decimal import Decimal

    values: dict[str, Any] = {
        "bigint": 2**63 - 1, "integer": -(2**31), "decimal(38,10)": Decimal("9999999999999999999999999999.9999999999"), "double": 0.1,
        "boolean": None, "date": dt.date(1, 1, 1), "timestamp": dt.datetime(9999, 12, 31, 23, 59, 59, 999999), "varchar(9)": "é€😀 ",
        "binary": b"\x00\xff", "time": dt.time(23, 59, 59, 1),
    }  # fmt: skip
    columns = [{"name": f"c{i}", "type": kind} for i, kind in enumerate(values)]
    loader = Loader(warehouse, make_spec(columns=columns, primary_key=["c0"], cursor=None))
    loader.load([tuple(values.values())])
    assert loader.stored(", ".join(f"c{i}" for i in range(len(values)))) == [tuple(values.values())]
    assert loader.load([tuple(values.values())]) == Outcome(read=1, unchanged=1)


def test_rows_without_a_key_are_a_multiset(warehouse: Warehouse) -> None:
    """Staged keys are the occurrence keys the pipeline makes; what is absent from a full read is gone."""
    from cbm_etl_assets.transform.hashing import occurrence_keys

    spec = make_spec(columns=[{"name": "v", "type": "integer"}], primary_key=[], cursor=None)

    def load(values: list[int]) -> Outcome:
        import polars as pl

        state = warehouse.acquire("client")
        staging = StagingTable("client", f"client__{state.last_issued_seq}", state.last_issued_seq)
        diff = (
            RowTransform(spec, case_insensitive_keys=True).hashes(pa.record_batch({"v": pa.array(values, pa.int32())}))[1].cast(pa.binary())
        )
        keys = occurrence_keys(pl.Series(diff, dtype=pl.Binary)).to_arrow().cast(pa.binary())
        batch = pa.RecordBatch.from_arrays([pa.array(values, pa.int32()), keys, diff], names=["v", "_key_hash", "_hashdiff"])
        warehouse.load_staging(spec, staging, iter([batch]))
        gone = warehouse.absent(spec, staging).keys
        return warehouse.apply(ApplyRequest(spec, staging, "full", staging.seq, state.fencing_token, "r", T0, deletions=gone))

    assert load([1, 1, 2]) == Outcome(read=3, inserted=3)
    assert load([2, 1, 1]) == Outcome(read=3, unchanged=3)
    assert load([1, 2, 3]) == Outcome(read=3, inserted=1, unchanged=2, deleted=1)
    assert warehouse.query("SELECT v FROM ods.client WHERE _deleted_at IS NULL ORDER BY v").rows == [(1,), (2,), (3,)]


def test_a_deleted_row_keeps_its_values_and_comes_back(loader: Loader) -> None:
    loader.load([row(1), row(2, "kept")])
    assert loader.replace_all([row(1)]) == Outcome(read=1, unchanged=1, deleted=1)
    assert loader.warehouse.query("SELECT nom, _is_deleted, _deleted_at FROM ods.client WHERE cod_cli = 2").rows == [("kept", True, NOW)]
    assert loader.replace_all([row(1)]) == Outcome(read=1, unchanged=1)
    assert loader.load([row(2, "kept")], "incremental") == Outcome(read=1, resurrected=1)
    assert loader.stored() == [(1, "x"), (2, "kept")]


def test_an_older_load_resurrects_and_deletes_nothing(loader: Loader) -> None:
    loader.load([row(1), row(2)])
    started_early = loader.warehouse.acquire("client")
    assert loader.replace_all([row(1), row(3)]) == Outcome(read=2, inserted=1, unchanged=1, deleted=1)
    _, staging = loader.stage([row(2)], started_early)
    assert loader.warehouse.absent(loader.spec, staging).keys.num_rows == 1  # row 1 only: row 3 was written later
    late = TableState("client", fencing_token=loader.warehouse.state("client").fencing_token)
    assert loader.apply(late, staging, "partition") == Outcome(read=1, superseded=1)
    assert loader.stored() == [(1, "x"), (3, "x")]


def test_purge_removes_old_tombstones_only(loader: Loader) -> None:
    loader.load([row(1), row(2)])
    loader.replace_all([row(1)])
    assert loader.warehouse.purge(loader.spec, NOW) == 0
    assert loader.warehouse.purge(loader.spec, NOW + dt.timedelta(seconds=1)) == 1
    assert loader.load([row(2)], "incremental") == Outcome(read=1, inserted=1)


def test_history_tiles_time(warehouse: Warehouse) -> None:
    loader = Loader(warehouse, make_spec(history=True))
    loader.load([row(1, "a", 1), row(2, "b", 1)])
    loader.load([row(1, "c", 5)], "incremental")
    loader.load([row(1, "c", 5)], "incremental")
    loader.replace_all([row(1, "c", 5)])
    day = lambda d: dt.datetime(2026, 1, d)  # noqa: E731
    assert loader.versions() == [(1, "a", day(1), day(5)), (1, "c", day(5), None), (2, "b", day(1), T0)]
    loader.t0 = T0 + dt.timedelta(hours=1)
    loader.load([row(2, "b", 1)], "incremental")
    assert loader.versions()[2:] == [(2, "b", day(1), T0), (2, "b", T0 + dt.timedelta(microseconds=1), None)]


def test_history_bounds_never_overlap_when_the_stamp_steps_back(warehouse: Warehouse) -> None:
    loader = Loader(warehouse, make_spec(history=True))
    for name, day in (("a", 5), ("b", 3), ("c", 5)):
        loader.load([row(1, name, day)])
    start = dt.datetime(2026, 1, 5)
    micro = dt.timedelta(microseconds=1)
    assert [(v[2], v[3]) for v in loader.versions()] == [
        (start, start + micro),
        (start + micro, start + 2 * micro),
        (start + 2 * micro, None),
    ]


def test_history_switched_on_later_starts_with_the_live_rows(loader: Loader) -> None:
    loader.load([row(1, "a")])
    loader.spec = make_spec(history=True)
    loader.load([row(1, "b", 9)])
    assert [v[1] for v in loader.versions()] == ["a", "b"]


def test_an_added_column_is_no_update_of_every_row(warehouse: Warehouse) -> None:
    loader = Loader(warehouse, make_spec(history=True))
    loader.load([row(1), row(2)])
    columns = [c.model_dump(exclude_defaults=True) for c in loader.spec.columns] + [{"name": "qte", "type": "integer"}]
    loader.spec = make_spec(columns=columns, history=True)
    assert loader.load([(*row(1), 5), (*row(2, "y"), 6)]) == Outcome(read=2, unchanged=1, updated=1)
    assert loader.stored("cod_cli, qte") == [(1, 5), (2, 6)]
    assert [(v[0], v[1]) for v in loader.versions()] == [(1, "x"), (2, "x"), (2, "y")]
    assert warehouse.query("SELECT cod_cli, qte FROM ods.client_history WHERE _valid_to IS NULL ORDER BY 1").rows == [(1, 5), (2, 6)]
    assert loader.load([(*row(1), 5), (*row(2, "y"), 6)]) == Outcome(read=2, unchanged=2)


def test_a_column_that_came_and_went_between_full_loads_adds_no_version(warehouse: Warehouse) -> None:
    """A backfill hashed some rows over it: gone again, those hashes are not what the next full load takes."""
    loader = Loader(warehouse, make_spec(history=True))
    loader.load([row(1), row(2)])
    plain = loader.spec
    columns = [c.model_dump(exclude_defaults=True) for c in plain.columns] + [{"name": "qte", "type": "integer"}]
    loader.spec = make_spec(columns=columns, history=True)
    assert loader.load([(*row(1), 5)], mode="partition") == Outcome(read=1, unchanged=1)
    loader.spec = plain
    assert loader.load([row(1), row(2)]) == Outcome(read=2, unchanged=2)
    assert [(v[0], v[1]) for v in loader.versions()] == [(1, "x"), (2, "x")]


def test_a_new_hash_version_rewrites_no_history(warehouse: Warehouse) -> None:
    import dataclasses

    loader = Loader(warehouse, make_spec(history=True))
    loader.load([row(1)])
    state, staging = loader.stage([row(1)])
    hash_columns = RowTransform(loader.spec, case_insensitive_keys=True).hash_columns
    request = ApplyRequest(loader.spec, staging, "full", staging.seq, state.fencing_token, "r", T0, hash_columns=hash_columns)
    assert warehouse.apply(dataclasses.replace(request, hash_version=2)) == Outcome(read=1, unchanged=1)
    assert len(loader.versions()) == 1
