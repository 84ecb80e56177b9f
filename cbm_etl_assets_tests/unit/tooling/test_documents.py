"""The documents say what is true: every setting is listed, every link inside the repository leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cbm_etl_assets.settings import known_names

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_setting_stands_in_the_readme_with_its_meaning() -> None:
    rows = dict(re.findall(r"^\| `(CBM_[A-Z_]+)` \| [^|]*\| ([^|]+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    leaves = {n for n in known_names() if n in rows or not any(o.startswith(f"{n}__") for o in known_names())}
    assert leaves <= set(rows), f"not in README.md: {sorted(leaves - set(rows))}"
    assert set(rows) <= set(known_names()), f"README.md names settings nobody reads: {sorted(set(rows) - set(known_names()))}"


def test_the_env_example_names_only_settings_that_exist() -> None:
    named = set(re.findall(r"^#?(CBM_[A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= set(known_names())


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(d.relative_to(ROOT)) for d in DOCUMENTS])
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (document.parent / target).exists()]
