"""etl.SchemaDrift on every control database: once per change, closed when the change is over, written anew when it comes again."""

from __future__ import annotations

from dataclasses import replace

from cbm_etl_assets.control.port import DriftRow
from cbm_etl_assets_tests.control_fixture import START, ControlKit, control, control_postgres

__all__ = ["control", "control_postgres"]
NAIVE = START.replace(tzinfo=None)
ADDED = DriftRow("added", "safe", "cod_tva", "", "integer", "une colonne de plus", "loaded")
GONE = DriftRow("removed", "review", "qte", "decimal(12,3)", "", "", "kept")


def test_a_change_is_written_once(control: ControlKit) -> None:
    store = control.store
    assert store.record_drift("client", [ADDED], run_id="r1") == [ADDED]
    control.clock.forward(seconds=60)
    assert store.record_drift("client", [ADDED], run_id="r2") == []
    assert store.record_drift("other", [ADDED], run_id="r3") == [ADDED]
    [row] = store.drift_rows("client")
    assert replace(row, id=0) == replace(ADDED, run_id="r1", found_utc=NAIVE)


def test_a_change_that_is_over_is_closed_and_may_come_again(control: ControlKit) -> None:
    store = control.store
    store.record_drift("client", [ADDED, GONE], run_id="r1")
    later = control.clock.forward(seconds=60).replace(tzinfo=None)
    store.record_drift("client", [ADDED], run_id="r2")
    assert [(r.kind, r.resolved_utc) for r in store.drift_rows("client")] == [("added", None), ("removed", later)]
    assert store.record_drift("client", [ADDED, GONE], run_id="r3") == [GONE]
    assert [r.kind for r in store.drift_rows("client")] == ["added", "removed", "removed"]


def test_another_consequence_is_another_row(control: ControlKit) -> None:
    store = control.store
    store.record_drift("client", [GONE], run_id="r1")
    store.record_drift("client", [replace(GONE, consequence="stopped")], run_id="r2")
    assert [(r.consequence, r.resolved_utc is None) for r in store.drift_rows("client")] == [("kept", False), ("stopped", True)]


def test_long_texts_are_cut_and_still_the_same_change(control: ControlKit) -> None:
    long = replace(ADDED, before="x" * 500)
    control.store.record_drift("client", [long], run_id="r1")
    assert control.store.record_drift("client", [long], run_id="r2") == []
