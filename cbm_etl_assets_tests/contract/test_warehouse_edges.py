"""What else every warehouse promises: its questions, remembered keys, purges, sweeps, retries, and errors of our own side."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cbm_etl_assets.errors import CbmError, ConversionError, CorruptRawFileError, LostLockError, WarehouseError
from cbm_etl_assets.metadata.types import Unstorable
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.port import ApplyRequest, Outcome, StagingTable, TableState
from cbm_etl_assets_tests.contract.test_warehouse import NOW, T0, Loader, row
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database, warehouse_of

__all__ = ["control_postgres", "postgres_database"]
TECHNICAL = [
    "_key_hash", "_hashdiff", "_hash_version", "_load_seq", "_extracted_at", "_updated_at", "_run_id", "_is_deleted", "_deleted_at",
]  # fmt: skip


@pytest.fixture(params=registry.names())
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loader]:
    made = registry.create(Settings(home=tmp_path, warehouse=warehouse_of(request.param, request, tmp_path)), lambda: NOW)
    made.prepare()
    yield Loader(made, make_spec())
    made.close()


def request_of(kit: Loader, state: TableState, staging: StagingTable, **fields: Any) -> ApplyRequest:
    hash_columns = RowTransform(kit.spec, case_insensitive_keys=True).hash_columns
    given: dict[str, Any] = {"mode": "incremental", "hash_columns": hash_columns} | fields
    return ApplyRequest(spec=kit.spec, staging=staging, seq=staging.seq, fencing_token=state.fencing_token, run_id="r", t0=T0, **given)


def test_columns_are_told_in_order_and_an_unknown_table_has_none(kit: Loader) -> None:
    assert kit.warehouse.columns("client") == {}
    kit.load([])
    assert list(kit.warehouse.columns("client")) == ["cod_cli", "dat_mod", "nom", "gencod_v", *TECHNICAL]
    assert kit.warehouse.columns("clients") == {}


def test_live_rows_come_typed_and_without_tombstones(kit: Loader) -> None:
    kit.spec = make_spec(columns=[{"name": "cod_cli", "type": "bigint"}, {"name": "px", "type": "decimal(15,2)"}], cursor=None)
    with pytest.raises(WarehouseError):
        kit.warehouse.schema("client", ["cod_cli"])
    kit.load([(1, Decimal("1.50")), (2, None), (3, Decimal("-0.01"))])
    kit.replace_all([(1, Decimal("1.50")), (2, None)])
    assert kit.warehouse.schema("client", ["px", "cod_cli"]).remove_metadata() == pa.schema(
        [("px", pa.decimal128(15, 2)), ("cod_cli", pa.int64()), ("_key_hash", pa.binary())]
    )
    with closing(kit.warehouse.live("client", ["px", "cod_cli"], 1)) as batches:
        found = list(batches)
    assert all(batch.num_rows <= 1 for batch in found)
    rows = pa.Table.from_batches(found).to_pylist()
    assert sorted((r["cod_cli"], r["px"]) for r in rows if r["cod_cli"] != 2) == [(1, Decimal("1.50"))]
    assert all(len(r["_key_hash"]) == 32 for r in rows)


def test_a_stream_may_be_left_early(kit: Loader) -> None:
    kit.load([row(i) for i in range(1, 2000)])
    with closing(kit.warehouse.live("client", ["cod_cli"], 10)) as batches:
        next(batches)
    assert kit.load([row(1, "y")], "incremental") == Outcome(read=1, updated=1)


def test_versions_and_as_of(kit: Loader) -> None:
    kit.spec = make_spec(history=True)
    kit.load([row(1, "a", 1), row(2, "b", 1)])
    kit.load([row(1, "c", 5)], "incremental")
    key = bytes(kit.warehouse.query("SELECT _key_hash FROM ods.client WHERE cod_cli = 1").rows[0][0])
    told = kit.warehouse.versions(kit.spec, key).rows
    assert [(r[2], r[-2], r[-1]) for r in told] == [
        ("a", dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 5)),
        ("c", dt.datetime(2026, 1, 5), None),
    ]
    assert [r[2] for r in kit.warehouse.as_of(kit.spec, dt.datetime(2026, 1, 4)).rows] == ["a", "b"]
    assert [r[2] for r in kit.warehouse.as_of(kit.spec, dt.datetime(2026, 1, 5)).rows] == ["c", "b"]
    current = kit.warehouse.versions(make_spec(), key).rows
    assert [(r[2], bool(r[-2]), r[-1]) for r in current] == [("c", False, None)]


def test_keys_of_the_last_load_are_remembered(kit: Loader) -> None:
    assert kit.warehouse.recheck_keys(kit.spec).num_rows == 0
    state, staging = kit.stage([row(1, "a", 1), row(2, "b", 8), row(3, "c", 9)])
    kit.warehouse.apply(request_of(kit, state, staging, recheck_since=dt.datetime(2026, 1, 8)))
    assert sorted(kit.warehouse.recheck_keys(kit.spec).column("cod_cli").to_pylist()) == [2, 3]
    assert kit.warehouse.recheck_keys(kit.spec).column_names == ["cod_cli", "_key_hash"]
    kit.load([row(3, "c", 9)], "incremental")
    assert kit.warehouse.recheck_keys(kit.spec).num_rows == 0


def test_remembered_keys_follow_a_key_of_another_type(kit: Loader) -> None:
    columns = [{"name": "cod_cli", "type": "integer"}, {"name": "dat_mod", "type": "timestamp"}]
    kit.spec = make_spec(columns=columns)
    state, staging = kit.stage([(1, T0)])
    kit.warehouse.apply(request_of(kit, state, staging, recheck_since=dt.datetime(2026, 1, 1)))
    kit.spec = make_spec(columns=[{"name": "cod_cli", "type": "bigint"}, *columns[1:]])
    state, staging = kit.stage([(2**40, T0)])
    kit.warehouse.apply(request_of(kit, state, staging, recheck_since=dt.datetime(2026, 1, 1)))
    assert 2**40 in kit.warehouse.recheck_keys(kit.spec).column("cod_cli").to_pylist()


def test_old_tombstones_are_purged_and_history_keeps_them(kit: Loader) -> None:
    kit.spec = make_spec(history=True)
    kit.load([row(1), row(2)])
    kit.replace_all([row(1)])
    assert kit.warehouse.purge(kit.spec, NOW) == 0
    assert kit.warehouse.purge(kit.spec, NOW + dt.timedelta(seconds=1)) == 1
    assert kit.warehouse.query("SELECT count(*) FROM ods.client").rows == [(1,)]
    assert len(kit.versions()) == 2
    assert kit.load([row(2)], "incremental") == Outcome(read=1, inserted=1)


def test_a_sweep_merges_nothing_and_deletes_what_it_confirmed(kit: Loader) -> None:
    kit.load([row(1, "a"), row(2, "b"), row(3, "c")])
    whole = kit.spec
    kit.spec = make_spec(columns=[{"name": "cod_cli", "type": "bigint"}], cursor=None)
    state, staging = kit.stage([(1,), (3,), (9,)])
    gone = kit.warehouse.absent(whole, staging).keys
    request = request_of(kit, state, staging, mode="sweep", deletions=gone)
    assert kit.warehouse.apply(dataclasses.replace(request, spec=whole)) == Outcome(read=3, unchanged=2, filtered=1, deleted=1)
    assert kit.stored() == [(1, "a"), (3, "c")]
    assert kit.warehouse.state("client").last_full_seq == staging.seq


def test_staging_twice_replaces_the_rows(kit: Loader) -> None:
    """A load tried again after a lost link stages again under the same name."""
    state, _ = kit.stage([row(1), row(2), row(3)])
    _, staging = kit.stage([row(1)], state)
    assert kit.apply(state, staging) == Outcome(read=1, inserted=1)


def test_a_merge_that_failed_may_be_tried_again(kit: Loader) -> None:
    state, staging = kit.stage([row(1)])
    request = request_of(kit, state, staging)
    with pytest.raises(LostLockError):
        kit.warehouse.apply(dataclasses.replace(request, fencing_token=state.fencing_token + 1))
    assert kit.warehouse.apply(request) == Outcome(read=1, inserted=1)


def test_an_error_of_the_rows_stays_what_it_is(kit: Loader) -> None:
    """The driver pulls the batches: a corrupt raw file must not become a driver's text, nor half of it a staging table."""

    def rows() -> Iterator[pa.RecordBatch]:
        yield from ()
        raise CorruptRawFileError("checksum")

    state = kit.warehouse.acquire("client")
    with pytest.raises(CorruptRawFileError):
        kit.warehouse.load_staging(kit.spec, StagingTable("client", f"client__{state.last_issued_seq}", state.last_issued_seq), rows())
    assert kit.warehouse.left_over() == []


def test_tf23_text_with_nul_is_kept_or_refused_never_cut(kit: Loader) -> None:
    if Unstorable.NUL_TEXT not in kit.warehouse.capabilities.unstorable:
        kit.load([row(1, "a\0b")])
        assert kit.stored() == [(1, "a\0b")]
        return
    with pytest.raises(ConversionError, match="nom"):
        kit.load([row(1, "a\0b")])
    kit.warehouse.drop_staging("client")
    assert kit.warehouse.left_over() == []


def test_aware_instants_come_back_as_instants(kit: Loader) -> None:
    kit.spec = make_spec(columns=[{"name": "cod_cli", "type": "bigint"}, {"name": "seen", "type": "timestamptz"}], cursor=None)
    paris = dt.timezone(dt.timedelta(hours=2))
    moments = [dt.datetime(2026, 10, 25, 2, 30, tzinfo=paris), dt.datetime(1, 1, 1, tzinfo=dt.UTC), None]
    kit.load(list(enumerate(moments)))
    found = kit.warehouse.query("SELECT seen FROM ods.client ORDER BY cod_cli").rows
    assert [value and value.astimezone(dt.UTC) for (value,) in found] == [value and value.astimezone(dt.UTC) for value in moments]
    assert kit.load(list(enumerate(moments))) == Outcome(read=3, unchanged=3)


def test_a_spec_that_narrows_again_fits_into_the_wider_column(kit: Loader) -> None:
    """ODS is never narrowed: the source's values go in as they are, and nothing looks changed."""
    wide = [{"name": "cod_cli", "type": "bigint"}, {"name": "qte", "type": "decimal(15,2)"}, {"name": "n", "type": "varchar(20)"}]
    kit.spec = make_spec(columns=wide, cursor=None, history=True)
    kit.load([(1, Decimal("5.00"), "7"), (2, Decimal("6.00"), "8")])
    kit.spec = make_spec(columns=[wide[0], {"name": "qte", "type": "integer"}, {"name": "n", "type": "integer"}], cursor=None, history=True)
    assert kit.load([(1, 5, 7), (2, 7, 8)]).updated <= 2
    stored = kit.warehouse.query("SELECT cod_cli, qte, n FROM ods.client ORDER BY 1").rows
    assert [tuple(map(str, r)) for r in stored] == [("1", "5.00", "7"), ("2", "7.00", "8")]


def test_two_first_preparations_make_one_warehouse(kit: Loader) -> None:
    kit.warehouse.prepare()
    kit.warehouse.acquire("client")
    assert kit.warehouse.acquire("client") == TableState("client", last_issued_seq=2, fencing_token=2)
    assert kit.warehouse.state("other") == TableState("other")


def test_what_a_query_says_of_an_error_is_one_of_ours(kit: Loader) -> None:
    for statement in ("SELECT 1/", "UPDATE ods.x SET y = 1", "SELECT * FROM nowhere.nothing"):
        with pytest.raises(CbmError):
            list(kit.warehouse.batches(statement, 10))
