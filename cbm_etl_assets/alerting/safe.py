"""Foreign text made harmless: a table's name, an error message or a remedy may hold markdown, HTML, mentions and links.

Owns what every channel needs; escaping for one format is that channel's. Pure.
"""

from __future__ import annotations

import re
import unicodedata

_LINK = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}):(?=//|\\\\)")
_WWW = re.compile(r"(?i)\bwww\.")
_MAILTO = re.compile(r"(?i)\b(mailto|tel|javascript|data|vbscript):")
# Clients make links of bare domains too. Names such as etl.vw_LastRuns or client.yaml are none.
_DOMAIN = re.compile(r"(?i)(?<=[a-z0-9])\.(?=(?:com|net|org|info|biz|io|fr|eu|de|uk|be|ch|ru|cn|xyz|top|app|dev|link|click|site|online)\b)")
_OWNER = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}|team:[A-Za-z0-9_.-]+")
# Direction overrides show a text backwards; zero-width ones hide in it.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def plain(text: str, limit: int = 1000) -> str:
    """One line that drives no client: no control or invisible characters, no tag, no mention, no link; at most `limit` characters."""
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in text[: limit * 4])
    text = _INVISIBLE.sub("", text)
    text = _WWW.sub("www[.]", _LINK.sub(r"\1[:]", _MAILTO.sub(r"\1[:]", text)))
    text = _DOMAIN.sub("[.]", text)
    text = text.replace("<", "‹").replace(">", "›")
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def owner(text: str) -> str:
    """An address of the spec stays one; anything else is foreign text."""
    return text if len(text) <= 100 and _OWNER.fullmatch(text) else plain(text, 100)


def first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
