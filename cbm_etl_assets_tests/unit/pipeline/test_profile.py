from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.profile import ColumnProfile, profile, render_html
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.unit.pipeline.kit import T0, TableSource, load, platform_of, raw_table

SPEC = make_spec(
    primary_key=["cod_cli"],
    cursor=None,
    columns=[
        {"name": "cod_cli", "type": "integer"},
        {"name": "nom", "type": "varchar(8)", "sql_width": 8},
        {"name": "vide", "type": "varchar(8)", "sql_width": 8},
        {"name": "pays", "type": "varchar(2)"},
        {"name": "solde", "type": "decimal(12,2)"},
        {"name": "px", "type": "decimal(8,2)", "extent": 2, "sql_width": 9},
        {"name": "actif", "type": "boolean"},
        {"name": "dat_mod", "type": "date"},
        {"name": "mail", "type": "varchar(40)", "mask": "redact"},
        {"name": "brut", "type": "binary"},
    ],
)
ROWS: list[list[Any]] = [
    [1, "<script>", None, "FR", Decimal("-1.50"), "1.5;?", True, dt.date(2026, 1, 2), "secret@x.fr", b"abc"],
    [2, "beaucoup trop", None, "FR", Decimal("20.00"), "2;3", None, dt.date(1970, 1, 1), "other@x.fr", None],
    [3, "a", None, "FR", None, "2;3", False, None, None, b""],
    [4, "a", None, "FR", None, None, False, None, None, b""],
]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[Platform, TableSource]]:
    platform, source = platform_of(tmp_path, SPEC)
    source.tables["client"] = raw_table(SPEC, ROWS)
    yield platform, source
    platform.close()


def by_name(platform: Platform) -> dict[str, ColumnProfile]:
    return {c.name: c for c in profile(platform, SPEC).columns}


def test_figures_of_every_type(line: tuple[Platform, TableSource]) -> None:
    found = by_name(line[0])
    assert list(found) == ["cod_cli", "nom", "vide", "pays", "solde", "px_1", "px_2", "actif", "dat_mod", "mail", "brut"]
    solde = found["solde"]
    assert (solde.rows, solde.nulls, solde.distinct, solde.minimum, solde.maximum) == (4, 2, 2, "-1.50", "20.00")
    assert (found["dat_mod"].minimum, found["dat_mod"].maximum) == ("1970-01-01", "2026-01-02")
    assert (found["px_2"].nulls, found["px_2"].top, found["px_2"].source) == (2, (("3.00", 2),), "px")
    assert found["nom"].top[0] == ("a", 2)
    assert (found["brut"].minimum, found["brut"].top[0]) == (None, ("0 bytes", 2))
    assert (found["actif"].minimum, found["actif"].maximum) == ("False", "True")


def test_empty_constant_and_over_wide_columns_are_remarked(line: tuple[Platform, TableSource]) -> None:
    found = by_name(line[0])
    assert (found["vide"].is_empty, found["vide"].remarks) == (True, ("empty",))
    assert (found["pays"].is_constant, found["pays"].remarks) == (True, ("constant",))
    nom = found["nom"]
    assert (nom.longest, nom.over_width, nom.width) == (13, 1, 8)
    assert found["cod_cli"].remarks == ("unique",)
    assert found["solde"].remarks == ("unique where filled",)
    assert nom.remarks == ("1 over-wide (longest 13, SQL width 8)", "1 exactly as long as the SQL width: perhaps cut")


def test_masked_values_are_counted_and_never_shown(line: tuple[Platform, TableSource]) -> None:
    result = profile(line[0], SPEC)
    mail = next(c for c in result.columns if c.name == "mail")
    assert (mail.nulls, mail.distinct, mail.minimum, mail.maximum, mail.top, mail.remarks) == (
        2,
        2,
        None,
        None,
        (),
        ("unique where filled", "masked (redact)"),
    )
    assert "x.fr" not in repr(result)
    assert "x.fr" not in render_html(result)


def test_last_full_raw_load_is_read_before_the_source(line: tuple[Platform, TableSource]) -> None:
    platform, source = line
    fresh = profile(platform, SPEC)
    assert (fresh.origin, source.extractions) == ("one extraction, just now", 1)
    load(platform, SPEC)
    again = profile(platform, SPEC)
    assert (again.origin, again.read_at, source.extractions) == ("raw load 1", T0, 2)
    assert again.columns == fresh.columns
    wider = make_spec(**(SPEC.model_dump() | {"columns": [*SPEC.model_dump()["columns"], {"name": "neuf", "type": "integer"}]}))
    source.tables["client"] = raw_table(wider, [[*row, 1] for row in ROWS])
    assert profile(platform, wider).origin == "one extraction, just now", "the raw load lacks a column of the spec"


def test_a_damaged_raw_load_is_passed_over(line: tuple[Platform, TableSource]) -> None:
    platform, _ = line
    load(platform, SPEC)
    manifest = platform.lake.latest("client")
    assert manifest is not None
    path = Path(platform.lake.location(manifest)) / manifest.files[0].name
    path.write_bytes(b"\0" * manifest.files[0].bytes)
    assert profile(platform, SPEC).origin == "one extraction, just now"


def test_an_empty_table_has_a_profile(line: tuple[Platform, TableSource]) -> None:
    platform, source = line
    source.tables["client"] = raw_table(SPEC, [])
    result = profile(platform, SPEC)
    assert result.rows == 0
    assert not any(c.is_empty or c.is_constant for c in result.columns)
    assert "client" in render_html(result)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts, self.outside = 0, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input"):
            self.open.append(tag)
        self.scripts += tag == "script"
        self.outside += [v for k, v in attrs if k in ("src", "href") and v]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_self_contained_and_escaped(line: tuple[Platform, TableSource]) -> None:
    page = render_html(profile(line[0], SPEC))
    tags = _Tags()
    tags.feed(page)
    assert (tags.open, tags.scripts, tags.outside) == ([], 1, [])
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "prefers-color-scheme: dark" in page
