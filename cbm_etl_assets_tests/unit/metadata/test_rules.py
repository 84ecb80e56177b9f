"""The grammar of `quality:`: what a line may say, what it comes to, and where and how a mistake is told."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.catalog import load_catalog, load_spec
from cbm_etl_assets.metadata.rulekinds import Kind, Layer, Options, Scope, kinds, rule
from cbm_etl_assets.metadata.rules import lines_without, rename_in
from cbm_etl_assets.metadata.schema import table_schema
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.settings import PACKAGE_DIR
from cbm_etl_assets_tests.specs import make_spec

Draft202012Validator: Any = importlib.import_module("jsonschema").Draft202012Validator  # it has no types
HEAD = """table: t
primary_key: [id]
columns:
  - {name: id, type: integer}
  - {name: gencod-v, type: varchar(20)}
  - {name: iban, type: varchar(20), mask: redact}
  - {name: conso, type: integer, extent: 3}
"""


def told(tmp_path: Path, quality: str) -> str:
    file = tmp_path / "t.yaml"
    file.write_text(HEAD + "quality:\n" + quality, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    return caught.value.message.replace(str(file), "t.yaml")


@pytest.mark.parametrize(("line", "said"), [
    ("rnge: {column: id}", "t.yaml:9: quality[0]: unknown rule 'rnge'. Did you mean 'range'? Known: allowed_values, "),
    ("range: {colum: id, min: 0}", "t.yaml:9: quality[0].range: unknown field 'colum'. Did you mean 'column'? Known: blocking, column, "),
    ("range: {column: idd, min: 0}", "t.yaml:9: quality[0].range.column: unknown column 'idd'. Did you mean 'id'? Known: conso, "),
    ("range: {min: 0}", "t.yaml:9: quality[0].range: needs 'column'; The value lies between min and max"),
    ("range: {column: id, min: abc}", "quality[0].range.min: 'abc': a bound is a number, a date such as 2020-01-31, today or today+30d"),
    ("range: {column: id, min: 0, severity: fatal}", "quality[0].range.severity: 'fatal': input should be 'warn' or 'error'"),
    ("range: {column: id, min: 0, max_percent: 101}", "quality[0].range.max_percent: '101': input should be less than or equal to 100"),
    ("range: {column: id, min: 0, severity: warn, blocking: true}", "range.severity: a warning cannot block"),
    ("unique: {columns: [id], reject: true}", "unique.reject: only a rule on the rows of a load (layer stg) can reject them"),
    ("range: {column: id, min: 0, layer: ods, reject: true}", "range.reject: only a rule on the rows of a load"),
    ("freshness: {column: id, max_age: 1d, layer: stg}", "freshness.layer: 'stg': freshness is evaluated on ods"),
    ("pattern: {column: gencod-v, regex: '('}", "pattern.regex: '(': not a regular expression: missing )"),
    ("pattern: {column: iban, regex: 'FR'}", "pattern.column: column 'iban' is masked (redact): the rule would judge the mask"),
    ("not_null: conso", "not_null.column: column 'conso' is an array of 3; name an element: conso_1"),
    ("duplicate_keys: 3", "duplicate_keys: takes no bare value; write `- duplicate_keys`"),
    ("{}", "quality[0]: a rule is a name with its parameters, for instance `- not_null: [code, name]`"),
    ("{not_null: id, range: {column: id}}", "quality[0]: a rule is a name with its parameters"),
    ("custom: {function: 'rm -rf /', columns: [id]}", "custom.function: 'rm -rf /': string should match pattern"),
    ("not_null: {column: [id, gencod-v], name: filled}", "not_null.name: one name for several columns"),
    ("volume: {name: certificate}", "volume.name: check 'certificate' exists already (the platform)"),
])  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_the_known_names(tmp_path: Path, line: str, said: str) -> None:
    assert said in told(tmp_path, f"  - {line}\n")


def test_every_mistake_is_told_with_its_own_line(tmp_path: Path) -> None:
    message = told(tmp_path, "  - volume\n  - volume\n  - not_null: [id, nope]\n")
    first, second = message.splitlines()
    assert first == "t.yaml:10: quality[1].volume.name: check 'volume' exists already (line 1 of quality); give this one a name of its own"
    assert second.startswith("t.yaml:11: quality[2].not_null.column: unknown column 'nope'. Known: conso, conso_1, conso_2, conso_3, ")


def test_a_line_may_make_several_rules_and_columns_go_by_both_names() -> None:
    spec = make_spec(quality=[{"not_null": ["nom", "GENCOD-V"]}, {"not_null": {"column": "cod_cli", "name": "k"}}, {"unique": "gencod_v"}])
    assert [(r.name, r.columns) for r in spec.rules] == [
        ("not_null_nom", ("nom",)), ("not_null_gencod_v", ("gencod_v",)), ("k", ("cod_cli",)), ("unique_gencod_v", ("gencod_v",)),
    ]  # fmt: skip


@pytest.mark.parametrize(("options", "severity"), [({}, "warn"), ({"blocking": True}, "error"), ({"severity": "error"}, "error")])
def test_blocking_means_error_and_nothing_else_does_by_itself(options: dict[str, Any], severity: str) -> None:
    [found] = make_spec(quality=[{"range": {"column": "cod_cli", "min": 0} | options}]).rules
    assert (found.severity.value, found.layer) == (severity, Layer.STG)


@pytest.mark.parametrize(("options", "failed", "checked", "broken"), [
    ({}, 0, 100, False), ({}, 1, 100, True), ({"max_rows": 2}, 2, 100, False), ({"max_rows": 2}, 3, 100, True),
    ({"max_percent": 1}, 1, 100, False), ({"max_percent": 1}, 2, 100, True), ({"max_rows": 5, "max_percent": 1}, 3, 100, True),
    ({"max_percent": 0.1}, 0, 0, False),
])  # fmt: skip
def test_thresholds_in_rows_and_percent(options: dict[str, Any], failed: int, checked: int, broken: bool) -> None:
    [found] = make_spec(quality=[{"not_null": {"column": "nom"} | options}]).rules
    assert found.is_breached(failed, checked) is broken


def test_rules_of_a_column_that_is_gone_are_left_out_and_renamed_ones_follow() -> None:
    lines: list[Any] = [
        {"not_null": ["nom", "gencod-v"]},
        {"unique": ["nom", "cod_cli"]},
        "volume",
        {"range": {"column": "cod_cli", "min": 0}},
    ]
    spec = make_spec(quality=lines)
    assert lines_without(spec, {"nom"}) == [{"not_null": {"column": ["gencod-v"]}}, "volume", lines[3]]
    assert lines_without(spec, {"gencod-v", "nom"}) == ["volume", lines[3]]
    assert rename_in(lines[0], "NOM", "nom_cli") == {"not_null": {"column": ["nom_cli", "gencod-v"]}}
    assert rename_in(lines[3], "nom", "x") == lines[3]
    ordered: Any = {"monotonic": {"column": "cod_cli", "by": ["gencod-v", "nom"]}}
    assert make_spec(quality=[ordered]).rules[0].parameters["by"] == ("gencod_v", "nom")
    assert lines_without(make_spec(quality=[ordered]), {"nom"}) == []
    assert rename_in(ordered, "nom", "x") == {"monotonic": {"column": "cod_cli", "by": ["gencod-v", "x"]}}


@pytest.mark.parametrize(("fields", "said"), [
    ("{columns: [id], table: clients}", "b.yaml:5: quality[0].foreign_key.table: unknown table 'clients'. Did you mean 'client'? Known: "),
    ("{columns: [id], table: client, to: [cod]}", "b.yaml:5: quality[0].foreign_key.to: 'client' has no column 'cod' in ODS."),
    ("{columns: [id, id], table: CLIENT}", "b.yaml:5: quality[0].foreign_key: 2 columns here and 1 of 'client' (cod_cli)"),
])  # fmt: skip
def test_a_foreign_key_names_a_table_of_the_catalogue(tmp_path: Path, fields: str, said: str) -> None:
    (tmp_path / "client.yaml").write_text("table: client\nprimary_key: [cod_cli]\ncolumns:\n  - {name: cod_cli, type: integer}\n")
    (tmp_path / "b.yaml").write_text(f"table: b\ncolumns:\n  - {{name: id, type: integer}}\nquality:\n  - foreign_key: {fields}\n")
    with pytest.raises(SpecError) as caught:
        load_catalog(tmp_path)
    assert said in caught.value.message


def test_the_registry_says_enough_of_every_kind() -> None:
    for name, kind in kinds().items():
        assert isinstance(kind, Kind)
        assert kind.name == name
        assert kind.summary.endswith(".")
        assert kind.layers
        assert not set(kind.model.model_fields) - set(Options.model_fields) & set(Options.model_fields)
        assert kind.scope is Scope.TABLE or Layer.SOURCE not in kind.layers
    with pytest.raises(ValueError, match="'range' is registered twice"):
        rule("range")(lambda sight: None)


def test_editors_accept_what_the_validation_accepts() -> None:
    schema = table_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for file in sorted((PACKAGE_DIR / "tables").glob("*.yaml")):
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        data.get("partition", {}).update({k: str(v) for k, v in data.get("partition", {}).items()})
        assert [e.message for e in validator.iter_errors(data)] == []
        assert TableSpec.model_validate(data).rules


@pytest.mark.parametrize(
    "line", [{"rnge": {"column": "id"}}, {"range": {"colum": "id"}}, {"range": {"column": "id"}, "volume": None}, "nope"]
)
def test_editors_refuse_what_the_validation_refuses(line: Any) -> None:
    data = {"table": "t", "columns": [{"name": "id", "type": "integer"}], "quality": [line]}
    assert list(Draft202012Validator(table_schema()).iter_errors(data))
