"""Which OpenEdge error stands for which PostgreSQL error."""

from __future__ import annotations

import pytest

from cbm_etl_assets.twin.oeerrors import translate
from cbm_etl_assets.twin.wire import WireError


@pytest.mark.parametrize(
    ("state", "said", "expected_state", "expected"),
    [
        ("42703", 'column "xx" does not exist', "42S22", 'Column "XX" cannot be found'),
        ("42703", "column c.xx does not exist", "42S22", 'Column "C.XX" cannot be found'),
        ("42P01", 'relation "pub.xx" does not exist', "42S02", 'Table/View/Synonym "PUB.XX" cannot be found'),
        ("42601", 'syntax error at or near "WHER"', "42000", "WHER"),
        ("42501", "permission denied for table x", "42000", "Access denied"),
        ("55P03", "canceling statement due to lock timeout", "HY000", "record lock on a record from table PUB.client"),
        ("22P00", "Column Nom in table PUB.Client has value", "22P00", "Column Nom in table PUB.Client has value"),
        ("22012", "division by zero", "22012", "division by zero"),
    ],
)
def test_translated(state: str, said: str, expected_state: str, expected: str) -> None:
    error = translate(WireError(state, said), frozenset({"client"}))
    assert error.state == expected_state
    assert error.message.startswith("[DataDirect][OpenEdge ODBC driver][OpenEdge] ")
    assert expected in error.message


def test_a_failed_login_stays_as_it_is() -> None:
    error = WireError("28P01", "password authentication failed", "FATAL")
    assert translate(error, frozenset()) is error
