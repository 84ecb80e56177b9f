from __future__ import annotations

import pytest

from cbm_etl_assets.dashboards import render


@pytest.mark.parametrize(("value", "text"), [
    (None, "–"), (0.84, "0.8 s"), (42.4, "42 s"), (185, "3 min 05 s"), (7800, "2 h 10"), (4 * 86400, "4 d"),
])  # fmt: skip
def test_seconds(value: float | None, text: str) -> None:
    assert render.seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e12, "2.5 TB")])
def test_bytes(value: float | None, text: str) -> None:
    assert render.size(value) == text


def test_numbers_and_quantities() -> None:
    assert render.number(1234567) == "1\u202f234\u202f567"
    assert render.number(None) == render.decimal(None, 2) == render.quantity(None, "s") == "–"
    assert (render.quantity(120.0, "s"), render.quantity(99.97, "%")) == ("120 s", "99.97 %")
    assert (render.age(None, "never"), render.age(3.5, "never")) == ("never", "3 h 30")


def test_an_alert_says_what_its_facts_say() -> None:
    assert render.summary({"detail": "late", "numbers": {"rows": 3}}) == "late"
    assert render.summary({"detail": "", "numbers": {"rows": 3, "limit": 0.5}}) == "rows 3, limit 0.5"
    assert render.summary({"text": "as it was written"}) == ""


def test_chart_data_cannot_leave_its_script_element() -> None:
    assert str(render._json_script({"t": "</script><b>&"})) == '{"t": "\\u003c/script\\u003e\\u003cb\\u003e\\u0026"}'
