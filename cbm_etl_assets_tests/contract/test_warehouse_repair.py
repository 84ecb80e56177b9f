"""What verification and repair ask of every warehouse: a stream of one statement, a merge by values, misfiled rows taken out.

Damage is done through the port itself: rows are staged with hashes that are not theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from cbm_etl_assets.errors import WarehouseError
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.port import ApplyRequest, Outcome, StagingTable
from cbm_etl_assets_tests.contract.test_warehouse import NOW, T0, Loader, Row, row
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database, warehouse_of

__all__ = ["control_postgres", "postgres_database"]


@pytest.fixture(params=registry.names())
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loader]:
    made = registry.create(Settings(home=tmp_path, warehouse=warehouse_of(request.param, request, tmp_path)), lambda: NOW)
    made.prepare()
    yield Loader(made, make_spec())
    made.close()


def hashes(kit: Loader, rows: list[Row]) -> tuple[pa.Array, pa.Array]:
    arrays = [pa.array([r[i] for r in rows], c.source_logical.arrow()) for i, c in enumerate(kit.spec.columns)]
    raw = pa.record_batch(arrays, names=[c.name for c in kit.spec.columns])
    key, diff = RowTransform(kit.spec, case_insensitive_keys=True).hashes(raw)
    return key.cast(pa.binary()), diff.cast(pa.binary())


def put(kit: Loader, rows: list[Row], like: list[Row], *, force: bool = False, misfiled: pa.Table | None = None) -> Outcome:
    """Load rows under the hashes of `like`."""
    state = kit.warehouse.acquire(kit.spec.name)
    staging = StagingTable(kit.spec.name, f"{kit.spec.name}__{state.last_issued_seq}", state.last_issued_seq)
    arrays = [pa.array([r[i] for r in rows], c.source_logical.arrow()) for i, c in enumerate(kit.spec.columns)]
    names = [*(n for n, _ in kit.spec.target_columns), "_key_hash", "_hashdiff"]
    kit.warehouse.load_staging(kit.spec, staging, iter([pa.RecordBatch.from_arrays([*arrays, *hashes(kit, like)], names=names)]))
    hash_columns = RowTransform(kit.spec, case_insensitive_keys=True).hash_columns
    return kit.warehouse.apply(ApplyRequest(
        spec=kit.spec, staging=staging, mode="repair" if force else "incremental", seq=staging.seq, fencing_token=state.fencing_token,
        run_id="r", t0=T0, hash_columns=hash_columns, force=force, misfiled=misfiled,
    ))  # fmt: skip


def test_batches_stream_every_row_once_and_write_nothing(kit: Loader) -> None:
    kit.load([row(i) for i in range(1, 6)])
    with closing(kit.warehouse.batches("SELECT cod_cli FROM ods.client", 2)) as batches:  # type: ignore[type-var]
        found = pa.Table.from_batches(list(batches)).column("cod_cli").to_pylist()
    assert sorted(found) == [1, 2, 3, 4, 5]
    with pytest.raises(WarehouseError), closing(kit.warehouse.batches("DELETE FROM ods.client", 2)) as batches:  # type: ignore[type-var]
        list(batches)
    assert len(kit.stored()) == 5


def test_a_damaged_row_under_the_good_hash_is_rewritten_by_force_only(kit: Loader) -> None:
    good, bad = row(1, "good"), row(1, "bad")
    put(kit, [bad, row(2)], like=[good, row(2)])
    assert kit.load([good, row(2)], "incremental") == Outcome(read=2, unchanged=2)
    assert put(kit, [good, row(2)], like=[good, row(2)], force=True) == Outcome(read=2, updated=1, unchanged=1)
    assert kit.stored() == [(1, "good"), (2, "x")]


def test_a_misfiled_row_is_taken_out_and_its_neighbour_stays(kit: Loader) -> None:
    kit.load([row(1), row(2)])
    put(kit, [row(7)], like=[row(9)])  # stands under the key of 9
    key, _ = hashes(kit, [row(9)])
    misfiled = pa.table({"cod_cli": pa.array([7], pa.int32()), "_key_hash": key})
    assert put(kit, [row(1)], like=[row(1)], force=True, misfiled=misfiled) == Outcome(read=1, unchanged=1)
    assert kit.stored() == [(1, "x"), (2, "x")]


def test_a_repair_moves_no_watermark_and_completes_nothing(kit: Loader) -> None:
    kit.load([row(1)], watermark=T0)
    before = kit.warehouse.state("client")
    put(kit, [row(1)], like=[row(1)], force=True)
    after = kit.warehouse.state("client")
    assert (after.watermark, after.last_full_seq) == (before.watermark, before.last_full_seq)
    assert after.last_applied_seq == before.last_applied_seq + 1
