"""Redaction: the secret goes, the rest of the message stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbm_etl_assets.reliability.redact import HIDDEN, redact

CANARY = "hunter2-canary"


@pytest.mark.parametrize(
    "text",
    [
        f"Driver=x;HOST=h;UID=u;PWD={CANARY};DB=d",
        f"Driver=x;HOST=h;UID=u;Pwd = {CANARY}",
        f"DRIVER=x;PWD={{a;b {CANARY}}};DB=d",
        f"DRIVER=x;PWD={{a}}}};b {CANARY}}};DB=d",
        f"DRIVER=x;PWD={{cut before its end {CANARY}",
        f"Password='{CANARY}' host=h",
        f"password={CANARY} host=h",
        f"postgresql+psycopg2://user:{CANARY}@h:5432/db",
        f"mssql://user:p@ss{CANARY}@h/db",
        f"redis://:{CANARY}@h/0",
        f"https://x.logic.azure.com/workflows/1?api=2&sig={CANARY}&v=1",
        f"https://x/y?access_token={CANARY}",
        f"{{'password': '{CANARY}'}}",
        f'{{"api_key": "{CANARY}", "x": 1}}',
        f"AccountKey={CANARY};EndpointSuffix=core.windows.net",
    ],
)
def test_a_secret_is_hidden_whatever_its_form(text: str) -> None:
    assert CANARY not in redact(text)
    assert HIDDEN in redact(text)


def test_what_is_no_secret_stays() -> None:
    text = "Driver=x;HOST=h;UID=etl;PWD=abc;DB=d"
    assert redact(text) == "Driver=x;HOST=h;UID=etl;PWD=***;DB=d"
    plain = "Column nom in table PUB.client has value exceeding its max length or precision (http://h:80/a@b)."
    assert redact(plain) == plain


def test_a_held_secret_is_hidden_without_its_keyword() -> None:
    secret = f"DSN=x;UID=u;PWD={{{CANARY}}};DB=d"
    assert redact(f"login failed for u with {CANARY}, said {secret}", [secret]) == f"login failed for u with {HIDDEN}, said {HIDDEN}"


@given(st.text(min_size=8, max_size=30))
def test_any_held_secret_is_gone(secret: str) -> None:
    assert secret not in redact(f"a {secret} b", [secret]) or secret in f"a {HIDDEN} b"


@given(st.text(max_size=200))
def test_any_text_is_survived(text: str) -> None:
    assert isinstance(redact(text), str)
