"""The generated rows: deterministic, hollow as the real tables, with sound keys and references."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import polars as pl
import pytest

from cbm_etl_assets.twin.erp import words
from cbm_etl_assets.twin.erp.generate import generate, generate_world, world
from cbm_etl_assets.twin.erp.profile import profile_of
from cbm_etl_assets.twin.erp.recipes import polars_type
from cbm_etl_assets.twin.erp.schema import BLUEPRINTS, blueprint, erp_table

TODAY = dt.date(2026, 3, 31)
TABLES = tuple(BLUEPRINTS)


@pytest.fixture(scope="module")
def demo() -> dict[str, pl.DataFrame]:
    return {table: pl.concat(list(generate(table, today=TODAY))) for table in TABLES}


def _fill(column: pl.Series) -> str:
    nulls = column.null_count()
    if nulls == len(column):
        return "all_null"
    if nulls:
        return "partly_null"
    return "constant" if column.n_unique() == 1 else "varied"


@pytest.mark.parametrize("table", TABLES)
def test_null_and_constant_columns_are_the_profile_s(table: str, demo: dict[str, pl.DataFrame]) -> None:
    profile = profile_of(table)
    counted = Counter(_fill(column) for column in demo[table])
    expected = {
        "all_null": profile.all_null,
        "partly_null": profile.partly_null,
        "constant": profile.constant,
        "varied": profile.never_null - profile.constant,
    }
    assert counted == Counter(expected)


@pytest.mark.parametrize("table", TABLES)
def test_values_have_the_declared_types_and_widths(table: str, demo: dict[str, pl.DataFrame]) -> None:
    for column in erp_table(table).columns:
        values = demo[table][column.name]
        assert values.dtype == polars_type(column), column.name
        if column.sql_width:
            assert not (values.str.len_chars() > column.sql_width).any(), column.name


@pytest.mark.parametrize("table", ["client", "produit", "hisprixa", "lignecli", "stock"])
def test_rows_do_not_depend_on_the_chunk_and_do_on_the_seed(table: str, demo: dict[str, pl.DataFrame]) -> None:
    same = pl.concat(list(generate_world(table, world(today=TODAY), chunk_rows=777)))
    assert same.equals(demo[table])
    assert not next(generate(table, seed=2, today=TODAY)).equals(demo[table])


@pytest.mark.parametrize("scale", ["demo", "0.02x"])
@pytest.mark.parametrize("table", TABLES)
def test_the_key_is_a_key_without_regard_to_case(table: str, scale: str) -> None:
    key = pl.concat([frame.select(blueprint(table).key) for frame in generate(table, scale, today=TODAY)])
    folded = key.with_columns(pl.col(pl.String).str.to_uppercase().str.strip_chars_end())
    assert folded.is_unique().all()
    assert sum(key.null_count().row(0)) == 0


@pytest.mark.parametrize(
    ("child", "column", "parent"),
    [
        ("entetcli", "cod_cli", "client"),
        ("lignecli", "no_cde", "entetcli"),
        ("lignecli", "cod_pro", "produit"),
        ("produit", "cod_fou", "fournis"),
        ("hisprixa", "cod_fou", "fournis"),
        ("hisprixa", "cod_pro", "produit"),
        ("stock", "cod_pro", "produit"),
    ],
)
def test_references_point_at_rows(child: str, column: str, parent: str, demo: dict[str, pl.DataFrame]) -> None:
    assert demo[child].join(demo[parent], on=column, how="anti").height == 0


def test_a_line_has_the_client_of_its_order(demo: dict[str, pl.DataFrame]) -> None:
    joined = demo["lignecli"].select("no_cde", "no_lig", "cod_cli").join(demo["entetcli"], on="no_cde")
    assert (joined["cod_cli"] == joined["cod_cli_right"]).all()
    assert not demo["lignecli"].select("no_cde", "no_lig").is_duplicated().any()
    assert demo["lignecli"].group_by("no_cde").agg(pl.col("no_lig").min())["no_lig"].unique().to_list() == [1]


@pytest.mark.parametrize("table", [t for t in TABLES if blueprint(t).modified])
def test_cursors_spread_over_the_recent_days_and_none_lies_ahead(table: str, demo: dict[str, pl.DataFrame]) -> None:
    plan = blueprint(table)
    cursor = demo[table].select(pl.max_horizontal(plan.modified, plan.created)).to_series()
    assert cursor.max() == TODAY - dt.timedelta(days=1)
    recent = cursor.drop_nulls().is_between(TODAY - dt.timedelta(days=30), TODAY).mean()
    assert isinstance(recent, float)
    assert 0.15 < recent < 0.45
    never = demo[table].filter(pl.col("dat_mod").is_null())
    assert 0.01 < never.height / demo[table].height < 0.75
    assert never[plan.created or ""].null_count() <= never.height * 0.05


def test_client_has_a_few_rows_without_any_date(demo: dict[str, pl.DataFrame]) -> None:
    undated = demo["client"].filter(pl.col("dat_mod").is_null() & pl.col("dat_crt").is_null()).height
    assert 0 < undated < 15


def test_text_holds_junk_accents_and_trailing_blanks(demo: dict[str, pl.DataFrame]) -> None:
    texts = pl.concat([demo["produit"][c.name].drop_nulls().unique() for c in erp_table("produit").columns if c.type.is_text])
    assert set(words.JUNK) <= set(texts)
    assert all(texts.str.contains(letter, literal=True).any() for letter in ("é", "œ", "€", "ß"))
    assert texts.str.ends_with(" ").any()


def test_times_of_day_come_as_seconds_or_as_text(demo: dict[str, pl.DataFrame]) -> None:
    assert demo["client"]["hr_mod"].is_between(0, 86_399).all()
    assert demo["entetcli"]["hr_mod"].str.contains(r"^\d\d:\d\d:\d\d$").all()


def test_extents_are_joined_by_semicolons(demo: dict[str, pl.DataFrame]) -> None:
    assert demo["produit"]["px_vte"].str.count_matches(";").unique().to_list() == [4]
    unescaped = demo["produit"]["lib_alt"].str.replace_all("~~", "").str.replace_all("~;", "")
    assert unescaped.str.count_matches(";").unique().to_list() == [2]


@pytest.mark.parametrize("table", TABLES)
def test_over_width_text_comes_only_when_asked(table: str, demo: dict[str, pl.DataFrame]) -> None:
    wide = pl.concat(list(generate(table, today=TODAY, over_width=True)))
    limits = {c.name: c.sql_width for c in erp_table(table).columns if c.sql_width}
    over = {n: int((wide[n].str.len_chars() > w).sum()) for n, w in limits.items()}
    assert 1 <= sum(over.values()) <= 10
    assert wide.filter(pl.int_range(pl.len()) != 13)[:900].equals(demo[table].filter(pl.int_range(pl.len()) != 13)[:900])
