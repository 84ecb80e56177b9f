from __future__ import annotations

import re

from cbm_etl_assets.dashboards.pages import PAGES
from cbm_etl_assets.dashboards.render import FOLDER
from cbm_etl_assets.dashboards.words import LANGUAGES, WORDS, phrases


def test_every_phrase_is_there_in_both_languages() -> None:
    assert [key for key, both in WORDS.items() if len(both) != len(LANGUAGES) or not all(both)] == []


def test_the_templates_use_only_phrases_that_exist() -> None:
    used = {word for path in (FOLDER / "templates").glob("*.j2") for word in re.findall(r"\bw\.(\w+)", path.read_text(encoding="utf-8"))}
    assert len(used) > 40
    assert used <= set(WORDS)
    assert set(PAGES) <= set(phrases("fr"))
