"""Requests, values and errors arrive on the other side as they were."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from cbm_etl_assets import errors
from cbm_etl_assets.source import messages


def test_values_keep_their_types() -> None:
    values = [
        1,
        "é",
        None,
        True,
        1.5,
        Decimal("1.10"),
        dt.date(2026, 1, 2),
        dt.datetime(2026, 1, 2, 3, 4, 5, 6),
        dt.time(1, 2),
        b"\x00\xff",
    ]
    back = messages.load_values(messages.load(messages.dump({"v": messages.dump_values(values)}))["v"])
    assert back == values
    assert [type(v) for v in back] == [type(v) for v in values]


def test_an_error_keeps_its_type_and_words() -> None:
    sent = errors.SqlWidthError("wide", table="PUB.t", column="c", remedy="dbtool")
    back = messages.load_error(messages.load(messages.dump(messages.dump_error(sent))))
    assert isinstance(back, errors.SqlWidthError)
    assert (back.message, back.table, back.column, back.remedy) == ("wide", "PUB.t", "c", "dbtool")
    assert type(messages.load_error(messages.dump_error(errors.RecordLockError("x")))) is errors.RecordLockError


def test_an_unknown_error_is_still_an_error() -> None:
    assert type(messages.load_error({"type": "annotations", "message": "m"})) is errors.SourceError


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        messages.load(b"[1]")
