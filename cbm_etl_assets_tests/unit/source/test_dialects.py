"""Connection strings are completed by driver, never overruled."""

from __future__ import annotations

import pytest

from cbm_etl_assets.errors import SettingsError
from cbm_etl_assets.source.dialects import complete, dialect, is_session_utc, keywords, profile_of

VALUES = {"array_size": "1000", "text_bytes": "2048", "session_zone": "UTC", "login_timeout": "15", "query_timeout": "60"}
PROGRESS = "DRIVER={Progress OpenEdge 12.2 Driver};HOST=h;PORT=20931;DB=d;UID=u;PWD={a;DIL=9}"


def test_openedge_gets_isolation_zero_and_an_array_size() -> None:
    named = keywords(complete(PROGRESS, profile_of(PROGRESS), VALUES))
    assert named["defaultisolationlevel"] == "0"
    assert named["arraysize"] == "1000"
    assert named["pwd"] == "{a;DIL=9}"


def test_what_the_operator_wrote_stays() -> None:
    text = PROGRESS + ";DIL=1;ArraySize=50"
    done = complete(text, profile_of(text), VALUES)
    assert "DefaultIsolationLevel" not in done
    assert done.count("ArraySize") == 1


def test_psqlodbc_streams_and_an_unknown_driver_is_left_alone() -> None:
    text = "Driver=/usr/lib/x/psqlodbcw.so;Server=h"
    assert "UseDeclareFetch=1;Fetch=1000;" in complete(text, profile_of(text), VALUES)
    assert complete("DSN=erp", profile_of("DSN=erp"), VALUES) == "DSN=erp;"


def test_an_unknown_dialect_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="Known: ansi, openedge"):
        dialect("oracle")


def test_an_operators_session_zone_is_not_taken_for_utc() -> None:
    text = "Driver=/usr/lib/x/psqlodbcw.so;Server=h"
    assert is_session_utc(text, profile_of(text))
    assert not is_session_utc(f"{text};A6=SET+TIME+ZONE+'Europe/Paris'", profile_of(text))
    assert not is_session_utc(PROGRESS, profile_of(PROGRESS))
