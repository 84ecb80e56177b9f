"""The merge's dialect-free decisions: which hashes are believed, what widens, what does not fit."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cbm_etl_assets.errors import AccountingError, DuplicateKeyError, LostLockError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.warehouse import merging
from cbm_etl_assets.warehouse.port import ApplyRequest, Capabilities, Outcome, StagingTable, TableState
from cbm_etl_assets_tests.specs import make_spec

LIMITS = Capabilities(max_identifier_chars=63, max_decimal_precision=38, max_columns=20, single_writer_process=False)


def request(spec: TableSpec | None = None, **fields: Any) -> ApplyRequest:
    given: dict[str, Any] = {"mode": "incremental", "hash_columns": ("dat_mod", "nom"), "fencing_token": 1} | fields
    return ApplyRequest(
        spec=spec or make_spec(), staging=StagingTable("client", "client__1", 1), seq=1, run_id="r", t0=dt.datetime(2026, 1, 1), **given
    )


def compare(
    known: tuple[str, ...], *, other_version: bool = False, retyped: frozenset[str] = frozenset(), **fields: Any
) -> tuple[Any, ...]:
    found = merging.comparison(
        request(**fields), TableState("client", hash_columns=known), retyped=set(retyped), other_version=other_version
    )
    return found.by_hash, found.values, found.fresh


def test_hashes_decide_while_they_were_taken_over_the_same_columns() -> None:
    assert compare(("dat_mod", "nom")) == (True, (), ())
    assert compare(()) == (True, (), ())  # a first load


def test_values_decide_where_hashes_do_not_compare() -> None:
    assert compare(("dat_mod",)) == (False, ("dat_mod",), ("nom",))
    assert compare(("dat_mod", "nom"), other_version=True) == (False, ("dat_mod", "nom"), ())
    assert compare(("dat_mod", "nom"), retyped=frozenset({"nom"})) == (False, ("dat_mod", "nom"), ())
    assert compare(("dat_mod", "~nom")) == (False, ("dat_mod", "nom"), ())
    assert compare(("dat_mod", "-nom")) == (False, ("dat_mod",), ("nom",))


def test_force_looks_at_values_beside_the_hash() -> None:
    assert compare(("dat_mod",), force=True) == (True, ("dat_mod", "nom"), ())


def test_the_hash_columns_after_a_load() -> None:
    state = TableState("client", hash_columns=("dat_mod", "gone", "-older"))
    assert merging.hash_columns_after(request(mode="full"), state, set()) == ("dat_mod", "nom")
    assert merging.hash_columns_after(request(), TableState("client"), set()) == ("dat_mod", "nom")
    assert merging.hash_columns_after(request(), state, {"dat_mod"}) == ("~dat_mod", "-gone", "-older", "+nom")
    again = TableState("client", hash_columns=("dat_mod", "+nom"))
    assert merging.hash_columns_after(request(), again, set()) == ("dat_mod", "+nom")


@pytest.mark.parametrize(
    ("stored", "wanted", "wider", "holds"),
    [
        ("integer", "bigint", True, False), ("bigint", "integer", False, True), ("integer", "decimal(10,0)", True, False),
        ("integer", "decimal(11,2)", False, False), ("bigint", "decimal(19,0)", True, False),
        ("decimal(10,2)", "decimal(12,2)", True, False),
        ("decimal(10,2)", "decimal(10,4)", False, False), ("decimal(12,4)", "decimal(10,2)", False, True),
        ("date", "timestamp", True, False),
        ("integer", "varchar", True, False), ("varchar", "date", False, False), ("double", "decimal(38,10)", False, False),
        ("timestamp", "timestamptz", False, False),
    ],
)  # fmt: skip
def test_what_widens_keeps_every_value(stored: str, wanted: str, wider: bool, holds: bool) -> None:
    one, other = LogicalType.parse(stored), LogicalType.parse(wanted)
    assert (merging.widens(one, other), merging.fits_into(one, other)) == (wider, holds)


def test_only_other_kinds_change_a_hash() -> None:
    def changes(one: str, other: str) -> bool:
        return merging.changes_hash(LogicalType.parse(one), LogicalType.parse(other))

    assert changes("integer", "varchar")
    assert not changes("integer", "bigint")
    assert not changes("decimal(10,2)", "decimal(12,4)")


def test_a_lost_lock_and_lost_rows_are_refused() -> None:
    with pytest.raises(LostLockError, match="token 2, ours 1"):
        merging.refuse_lost_lock(request(), TableState("client", fencing_token=2))
    with pytest.raises(AccountingError, match="3 rows read, 2 accounted for"):
        merging.refuse_unaccounted(make_spec(), Outcome(read=3, inserted=2))


def test_repeated_keys_are_shown_masked_where_declared() -> None:
    columns = [{"name": "a", "type": "integer"}, {"name": "b", "type": "varchar(9)", "mask": "hash"}]
    spec = make_spec(columns=columns, primary_key=["a", "b"], cursor=None, duplicate_keys_max=2)
    merging.refuse_duplicates(spec, 2, 1, [])
    with pytest.raises(DuplicateKeyError, match=r"a, b is not a key: 2 keys .* 3 rows too many \(limit 2\). For instance \(1, '\*\*\*'\)"):
        merging.refuse_duplicates(spec, 3, 2, [(1, "secret")])


def test_names_and_columns_past_the_limits_are_refused_not_cut() -> None:
    def refused(**changes: Any) -> str:
        with pytest.raises(WarehouseError) as caught:
            merging.refuse_what_does_not_fit(make_spec(**changes), LIMITS, "postgresql")
        return caught.value.message

    merging.refuse_what_does_not_fit(make_spec(), LIMITS, "postgresql")
    column = {"name": "c" * 64, "type": "integer"}
    assert "column 'ccc" in refused(columns=[column], primary_key=["c" * 64], cursor=None)
    assert "takes 49" in refused(target="t" * 50)
    many = [{"name": f"c{i}", "type": "integer"} for i in range(12)]
    assert "21 columns with the technical ones" in refused(columns=many, primary_key=["c0"], cursor=None)
