"""Proposals and their YAML: keys, cursors, collisions, round trips, whole dumps, the JSON Schema."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.catalog import load_catalog, load_spec
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.df import parse_df
from cbm_etl_assets.metadata.propose import notes
from cbm_etl_assets.metadata.schema import table_schema, write_schema
from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.metadata.specerrors import validate
from cbm_etl_assets.metadata.writer import import_df, propose_spec, spec_to_yaml, write_spec
from cbm_etl_assets.metadata.yamltext import parse_yaml
from cbm_etl_assets_tests.unit.metadata.dumps import ROOT, needs_real_dumps, write_d


def table(fields: str, *indexes: str) -> SourceTable:
    """'a:integer! b:character' (! = mandatory) and 'i UNIQUE PRIMARY: a b'."""
    text = 'ADD TABLE "t"\n'
    for field in fields.split():
        name, kind = field.split(":")
        text += f'ADD FIELD "{name}" OF "t" AS {kind.strip("!")}\n' + ("  MANDATORY\n" if kind.endswith("!") else "")
    for index in indexes:
        head, columns = index.split(":")
        name, *flags = head.split()
        text += f'ADD INDEX "{name}" ON "t"\n' + "".join(f"  {f}\n" for f in flags)
        text += "".join(f'  INDEX-FIELD "{c}" ASCENDING\n' for c in columns.split())
    return parse_df(text).tables[0]


@pytest.mark.parametrize(
    ("indexes", "nulls", "key"),
    [
        (["p PRIMARY: a"], set(), ()),
        (["p UNIQUE PRIMARY: a"], set(), ("a",)),
        (["p UNIQUE PRIMARY: a"], {"A"}, ()),
        (["p UNIQUE PRIMARY: a", "m UNIQUE: b c"], set(), ("b", "c")),
        (["p UNIQUE PRIMARY: a", "u UNIQUE: d"], {"a"}, ("d",)),
        (["u UNIQUE: d", "p UNIQUE PRIMARY: a"], set(), ("a",)),
        (["m UNIQUE: b", "n UNIQUE: b c"], {"b"}, ("b",)),
        (["i UNIQUE INACTIVE: b", "w UNIQUE WORD: b"], set(), ()),
        (["r UNIQUE: r"], set(), ()),
        ([], set(), ()),
    ],
)
def test_the_key_is_unique_and_never_merely_primary(indexes: list[str], nulls: set[str], key: tuple[str, ...]) -> None:
    source = table("a:integer b:integer! c:integer! d:integer r:raw", *indexes)
    assert propose_spec(source, null_columns=frozenset(nulls)).primary_key == key


@pytest.mark.parametrize(
    ("fields", "cursor"),
    [
        ("dat_mod:date dat_crt:date hr_mod:character", (("dat_mod", "dat_crt"), "date", "hr_mod", 24)),
        ("dat-mod:datetime", (("dat-mod",), "datetime", None, 2)),
        ("LastModified:datetime-tz CreatedAt:datetime-tz", (("LastModified", "CreatedAt"), "datetime", None, 2)),
        ("updated_at:datetime hr_mod:integer", (("updated_at",), "datetime", None, 2)),
        ("dat_crt:date", None),
        ("dat_mod:character", None),
        ("dat_px:date hr_mod:integer", None),
        ("modele:date mode:date", None),
    ],
)
def test_cursors_are_known_by_their_names(fields: str, cursor: tuple[object, ...] | None) -> None:
    found = propose_spec(table(fields)).cursor
    hours = found.lookback.total_seconds() / 3600 if found else 0
    assert (found and (found.columns, found.precision, found.time_column, hours)) == cursor


def test_colliding_names_get_a_target_of_their_own() -> None:
    spec = propose_spec(table("a-b:integer a_b:integer A.B:date _hashdiff:raw"))
    assert [c.target_name for c in spec.columns] == ["a_b_2", "a_b", "A_B_3", "src_hashdiff"]
    assert notes(table("a-b:integer a_b:integer"))[-1] == "Renamed, because their SQL-safe names collide: a-b -> a_b_2."
    array = parse_df('ADD TABLE "t"\nADD FIELD "x" OF "t" AS date\n EXTENT 3\n ORDER 1\nADD FIELD "x_2" OF "t" AS date\n ORDER 2\n').tables[
        0
    ]
    assert [c.target_names for c in propose_spec(array).columns] == [("x_2_1", "x_2_2", "x_2_3"), ("x_2",)]


def test_notes_give_the_reasons() -> None:
    source = table("a:integer b:integer!", "p PRIMARY: b", "u UNIQUE: a")
    assert notes(source) == (
        "Key: unique index u. Not mandatory: a; the data was not looked at: run cbm-etl preflight.",
        "The primary index p is not unique: not a key.",
    )
    assert "the data holds no NULL there" in notes(source, null_columns=frozenset())[0]
    assert notes(source, null_columns=frozenset({"a"}))[0].startswith("No usable unique index: loaded in full")


CLEAN = {"trim": True, "null_tokens": ["", "?", "null", "00/00/00"]}
FULL = TableSpec.model_validate(
    {
        "table": "produit", "filter": "\"cod-soc\" = 'A: #1'", "target": "produit_a", "kind": "fact", "group": "articles",
        "priority": "critical", "owners": ["a@b.fr", "team:x"], "description": 'Désignation: "x" \\ # y\nz', "primary_key": ["cod_pro"],
        "cursor": {"columns": ["dat_mod"], "precision": "date", "lookback": "36h", "nulls": "full_only"},
        "partition": {"grain": "month", "start": "2020-01-01"}, "split": {"column": "cod_pro", "parts": 4}, "depends_on": ["fournis"],
        "quality": [
            {"allowed_values": {"column": "cod_pro", "values": ["007", "a", "yes"], "max_percent": 1.5}}, "duplicate_keys",
            {"not_null": ["cod_pro", "dat_mod"]},
        ],
        "freshness": {"warn": "90m", "fail": "2d"}, "schedule": {}, "tags": {"domaine": "yes", "a/b": "1"}, "history": True,
        "columns": [
            {"name": "cod_pro", "type": "varchar(13)", "nullable": False, "case_sensitive": True},
            {"name": "dat_mod", "type": "date", "label": "no"},
            {"name": "vide", "type": "date", "exclude": True},
            {"name": "n° d'ordre", "type": "decimal(18,2)", "extent": 3, "clean": CLEAN},
            {"name": "mot-clé", "type": "varchar", "source_type": "integer", "mask": "null", "description": "a\tb\x85\u2028é"},
        ],
    }
)  # fmt: skip


def read(text: str) -> TableSpec:
    return validate(parse_yaml(text, "t.yaml", frozenset({"quality"})), text, Path("t.yaml"))


def test_yaml_says_what_the_spec_says() -> None:
    text = spec_to_yaml(FULL, notes=["first\nsecond"])
    assert read(text) == FULL
    assert text.startswith("# yaml-language-server: $schema=table.schema.json\n# first\n# second\ntable: produit\n")
    assert '  - {name: "n° d\'ordre", type: "decimal(18,2)", extent: 3,' in text
    assert 'schedule:\n  cron: "0 2 * * *"\n  timezone: Europe/Paris\n' in text
    assert "lookback: 36h" in text
    assert "quality:\n  - allowed_values: {column: cod_pro," in text
    assert "  - duplicate_keys\n  - not_null: [cod_pro, dat_mod]\n" in text


@given(st.text(max_size=20), st.text(alphabet="yesno~#:,{}[]'\"\\ -?0.1é\n\x85", max_size=12))
def test_any_text_survives(label: str, description: str) -> None:
    spec = TableSpec(table="t", description=description, columns=(ColumnSpec(name="a", type="date", label=label, description=description),))
    assert read(spec_to_yaml(spec)) == spec


@given(st.integers(0, 10**6), st.sampled_from(["minutes", "hours", "days", "seconds"]))
def test_any_duration_survives(number: int, unit: str) -> None:
    lookback = dt.timedelta(**{unit: number})
    spec = TableSpec.model_validate(
        {"table": "t", "cursor": {"columns": ["a"], "lookback": lookback}, "columns": [{"name": "a", "type": "date"}]}
    )
    assert read(spec_to_yaml(spec)) == spec


def test_files_are_written_whole_and_not_replaced_unasked(tmp_path: Path) -> None:
    path = write_spec(FULL, tmp_path)
    assert load_spec(path) == FULL
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(SpecError, match="exists already and is left as it is"):
        write_spec(FULL, tmp_path)
    assert path.read_text() == "mine"
    write_spec(FULL, tmp_path, overwrite=True)
    assert load_spec(path) == FULL
    assert [p.name for p in tmp_path.iterdir()] == ["produit_a.yaml"]


def test_importing_a_dump_looks_for_nulls_in_its_data(tmp_path: Path) -> None:
    source, tables = tmp_path / "in", tmp_path / "tables"
    source.mkdir()
    fields = 'ADD FIELD "a" OF "{0}" AS integer\n ORDER 1\nADD FIELD "b" OF "{0}" AS integer\n ORDER 2\n'
    index = 'ADD INDEX "i" ON "{0}"\n UNIQUE\n INDEX-FIELD "{1}" ASCENDING\n'
    text = "".join(f'ADD TABLE "{t}"\n{(fields + index).format(t, c)}' for t, c in (("x-y", "a"), ("x_y", "b"))) + 'ADD TABLE "empty"\n'
    (source / "s.df").write_text(text)
    write_d(source / "x-y.d", "1 ?\n2 3\n", records=2, filename="x-y")
    write_d(source / "x_y.d", "1 ?\n2 3\n", records=2, filename="x_y")
    report = import_df(source / "s.df", tables)
    catalog = load_catalog(tables)
    assert {name: spec.primary_key for name, spec in catalog.items()} == {"x_y": ("a",), "x_y_2": ()}
    assert any("has no fields" in w for w in report.warnings)
    assert any("this one becomes 'x_y_2'" in w for w in report.warnings)
    again = import_df(source / "s.df", tables)
    assert (len(again.written), len(again.skipped)) == (0, 2)
    assert (tables / "table.schema.json").is_file()


@needs_real_dumps
@pytest.mark.parametrize(
    ("file", "tables", "keyless"),
    [
        ("sports2000/sports2000.df", 26, ["Feedback", "InventoryTrans"]),
        ("pct/xlatedb.df", 13, ["XL_CustomFilter", "XL_GlossDet", "XL_SelectedFilter"]),
    ],
)
def test_real_dumps_become_a_valid_catalogue(tmp_path: Path, file: str, tables: int, keyless: list[str]) -> None:
    report = import_df(ROOT / file, tmp_path)
    catalog = load_catalog(tmp_path)
    assert len(report.written) == len(catalog) == tables
    assert [name for name, spec in catalog.items() if not spec.primary_key] == keyless


def test_the_schema_knows_every_field_and_describes_columns(tmp_path: Path) -> None:
    schema = json.loads(write_schema(tmp_path).read_text())
    assert schema == table_schema()
    assert set(schema["properties"]) == set(TableSpec.model_fields)
    column = schema["$defs"]["ColumnSpec"]["properties"]
    assert set(column) == set(ColumnSpec.model_fields)
    assert not schema["additionalProperties"]
    assert schema["required"] == ["table", "columns"]
    assert "pattern" in column["type"]
    assert schema["$defs"]["CursorSpec"]["properties"]["lookback"]["pattern"]
