"""Every message seen from a driver gets its type; nothing secret and no raw no-break space gets through."""

from __future__ import annotations

import pytest

from cbm_etl_assets import errors
from cbm_etl_assets.source.errors_map import classify, diagnose, is_truncation

WIDTH = "Column lib_pro in table PUB.produit has value exceeding its max length or precision."
CASES: list[tuple[str, type[errors.CbmError]]] = [
    (f"ODBC emitted an error calling 'SQLFetch':\nState: 22P00, Native error: -210012, Message: [DataDirect]{WIDTH}", errors.SqlWidthError),
    (f"ODBC emitted an error calling 'SQLFetch':\nState: HY000, Native error: 1, Message: ERROR: {WIDTH}", errors.SqlWidthError),
    (f"('HY000', '[HY000] [DataDirect][ODBC Progress driver] {WIDTH} (-210012) (SQLFetch)')", errors.SqlWidthError),
    ("State: S1000, Native error: -210012, Message: Texte en français", errors.SqlWidthError),
    ("('HY000', '[HY000] ERROR: Failure getting record lock on a record from table PUB.client (1) (SQLFetch)')", errors.RecordLockError),
    ("State: HY000, Native error: -210015, Message: Failure getting record lock on a record from table PUB.x.", errors.RecordLockError),
    ("State: 08S01, Native error: 26, Message: server closed the connection unexpectedly", errors.TransientSourceError),
    ("State: 08001, Native error: 101, Message: connection to server failed: Connection refused", errors.TransientSourceError),
    ("State: HYT00, Native error: 0, Message: Timeout expired", errors.TransientSourceError),
    ("State: HY000, Native error: 0, Message: La connexion perdue", errors.TransientSourceError),
    ("State: 08001, Native error: 101, Message: FATAL: sorry, too many clients already", errors.TransientSourceError),
    ("State: 57014, Native error: 1, Message: canceling statement due to statement timeout", errors.TransientSourceError),
    ('State: 08001, Native error: 101, Message: FATAL: password authentication failed for user "u"', errors.SourceError),
    ('State: 08001, Native error: 101, Message: FATAL: database "nope" does not exist', errors.SourceError),
    ("State: 28000, Native error: -20228, Message: Access denied (Authorisation failed)", errors.SourceError),
    ('State: 42P01, Native error: 1, Message: ERROR: relation "nope" does not exist', errors.SourceSchemaError),
    ("('42S02', '[42S02] ERROR: relation \"x\" does not exist (7) (SQLExecDirectW)')", errors.SourceSchemaError),
    ('State: 42703, Native error: 1, Message: ERROR: column "nope" does not exist', errors.SourceSchemaError),
    ("State: HY000, Native error: -20005, Message: Table/View/Synonym not found", errors.SourceSchemaError),
    ("State: HY000, Native error: -20006, Message: Column not found/specified", errors.SourceSchemaError),
    ("State: 42501, Native error: 1, Message: permission denied for table client", errors.SourceError),
    ("State: 01000, Native error: 0, Message: [unixODBC]Can't open lib '/x.so' : file not found", errors.MissingDependencyError),
    ("State: IM002, Native error: 0, Message: [unixODBC][Driver Manager]Data source name not found", errors.MissingDependencyError),
    ("State: 22003, Native error: 0, Message: Numeric value out of range", errors.ConversionError),
    ("State: 42601, Native error: 1, Message: syntax error at or near LIMIT", errors.SourceError),
    ("something nobody has seen", errors.SourceError),
]


@pytest.mark.parametrize(("message", "kind"), CASES, ids=[f"{k.__name__}-{i}" for i, (_, k) in enumerate(CASES)])
def test_a_message_gets_its_type(message: str, kind: type[errors.CbmError]) -> None:
    assert type(classify(message, table="t")) is kind


def test_a_width_error_names_table_column_and_remedy() -> None:
    error = classify(CASES[0][0], table="produit")
    assert isinstance(error, errors.SqlWidthError)
    assert (error.table, error.column) == ("PUB.produit", "lib_pro")
    assert "dbtool" in error.remedy


def test_no_break_spaces_of_french_servers_are_read_as_blanks() -> None:
    message = "State: HY000, Native error: 0, Message: Failure getting record\u00a0lock on\u202fa record"
    assert isinstance(classify(message), errors.RecordLockError)
    assert "\u00a0" not in classify(message).message


def test_an_unknown_column_lists_what_the_spec_asks_for() -> None:
    assert "cod_cli, nom" in classify(CASES[17][0], table="client", columns=("cod_cli", "nom")).message


def test_no_password_gets_through() -> None:
    error = classify("State: 08001, Native error: 1, Message: cannot connect with UID=u;PWD={s3c;ret};DATABASE=d")
    assert "s3c" not in str(error)
    assert "ret}" not in str(error)


def test_the_codes_are_found_in_both_spellings() -> None:
    arrow = diagnose("ODBC emitted an error calling 'SQLExecDirect':\nState: 42P01, Native error: 7, Message: x")
    assert (arrow.state, arrow.native) == ("42P01", 7)
    rows = diagnose("('08S01', '[08S01] gone (26) (SQLFetch)')")
    assert (rows.state, rows.native) == ("08S01", 26)


def test_a_value_too_long_for_the_buffer_is_recognised() -> None:
    assert is_truncation("External error: A value (at least one) is too large to be written into the allocated buffer without truncation.")
