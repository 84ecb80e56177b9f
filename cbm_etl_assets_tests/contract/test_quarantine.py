"""The quarantine table on every control database."""

from __future__ import annotations

from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets_tests.control_fixture import START, ControlKit, control, control_postgres

__all__ = ["control", "control_postgres"]
NAIVE = START.replace(tzinfo=None)


def bad(key: str, message: str = "trop large") -> BadRow:
    return BadRow(key.rjust(64, "0"), f'{{"cod": "{key}"}}', True, "nom", "SqlWidthError", message, '{"nom": "é"}')


def add(control: ControlKit, *rows: BadRow, seq: int = 1, table: str = "client") -> None:
    control.store.quarantine_add(table, rows, run_id=f"r{seq}", seq=seq)


def states(control: ControlKit) -> list[tuple[str, str]]:
    return [(entry.row.key_hash.lstrip("0"), entry.state) for entry in control.store.quarantine_entries("client")]


def test_an_entry_comes_back_as_it_was_written(control: ControlKit) -> None:
    add(control, bad("a"))
    add(control, bad("x"), table="other")
    [entry] = control.store.quarantine_entries("client")
    assert (entry.table, entry.row, entry.run_id, entry.seq, entry.state) == ("client", bad("a"), "r1", 1, "open")
    assert (entry.first_seen_utc, entry.last_seen_utc) == (NAIVE, NAIVE)
    assert [e.table for e in control.store.quarantine_entries()] == ["client", "other"]


def test_a_row_seen_again_keeps_its_first_stamp_and_takes_the_new_reason(control: ControlKit) -> None:
    add(control, bad("a"))
    later = control.clock.forward(seconds=60).replace(tzinfo=None)
    add(control, bad("a", "encore"), seq=2)
    [entry] = control.store.quarantine_entries("client")
    assert (entry.first_seen_utc, entry.last_seen_utc, entry.seq, entry.row.message) == (NAIVE, later, 2, "encore")


def test_healing_spares_what_this_load_found_bad(control: ControlKit) -> None:
    add(control, bad("a"), bad("b"))
    add(control, bad("b"), seq=2)
    control.store.quarantine_heal("client", 2)
    assert states(control) == [("a", "healed"), ("b", "open")]
    add(control, bad("a"), seq=3)
    assert states(control) == [("a", "open"), ("b", "open")]
    control.store.quarantine_heal("client", 4, [bad("b").key_hash])
    assert states(control) == [("a", "open"), ("b", "healed")]


def test_a_dropped_entry_stays_dropped_until_it_loads_well(control: ControlKit) -> None:
    add(control, bad("a"), bad("b"))
    ids = [entry.id for entry in control.store.quarantine_entries("client")]
    assert control.store.quarantine_drop("client", ids[:1]) == 1
    assert control.store.quarantine_drop("client", ids[:1]) == 0
    assert control.store.quarantine_drop("other", ids) == 0
    add(control, bad("a"), seq=2)
    assert states(control) == [("a", "dropped"), ("b", "open")]
    control.store.quarantine_heal("client", 3)
    assert states(control) == [("a", "healed"), ("b", "healed")]
