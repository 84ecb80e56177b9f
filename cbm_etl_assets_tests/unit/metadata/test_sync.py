"""Catalogue changes: what each is called, how grave it is, and the spec after it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.propose import propose_spec
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.sync import ChangeKind, apply_changes, diff
from cbm_etl_assets.metadata.types import LogicalType


def column(name: str, kind: str, extent: int = 0, label: str = "", mandatory: bool = False) -> SourceColumn:
    kind_of = LogicalType.parse(kind)
    return SourceColumn(
        name, kind_of, extent=extent, label=label, mandatory=mandatory, sql_width=kind_of.width if kind_of.is_text else None
    )


BEFORE = SourceTable(
    "client",
    (
        column("cod_cli", "integer", mandatory=True), column("dat_mod", "timestamp"), column("nom", "varchar(40)", label="Titre"),
        column("gencod-v", "varchar(20)"), column("ca", "decimal(10,2)"), column("mens", "decimal(18,2)", extent=3), column("n", "integer"),
    ),
    (SourceIndex("pk", ("cod_cli",), unique=True, primary=True),),
)  # fmt: skip
SPEC = propose_spec(BEFORE)


def after(**changed: SourceColumn | None) -> SourceTable:
    """The table with columns replaced (by name, '-' as '__'), taken out (None) or added."""
    names = {key.replace("__", "-"): value for key, value in changed.items()}
    kept = [names.get(c.name, c) for c in BEFORE.columns]
    new = [c for name, c in names.items() if BEFORE.column(name) is None]
    return replace(BEFORE, columns=tuple(c for c in [*kept, *new] if c is not None))


def test_no_change_is_no_change_whatever_the_order() -> None:
    assert diff(SPEC, BEFORE) == []
    assert diff(SPEC, replace(BEFORE, columns=BEFORE.columns[::-1])) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ville": column("ville", "varchar(30)")}, "safe added ville: varchar(30) (one full read"),
        ({"n": None}, "review removed n: integer (kept in the warehouse, NULL from now on)"),
        ({"cod_cli": None}, "breaking removed cod_cli: integer (it is in primary_key)"),
        ({"nom": column("nom", "varchar(60)", label="Titre")}, "safe widened nom: varchar(40) -> varchar(60)"),
        ({"nom": column("nom", "varchar", label="Titre")}, "safe widened nom: varchar(40) -> varchar"),
        ({"nom": column("nom", "varchar(20)", label="Titre")}, "review narrowed nom: varchar(40) -> varchar(20) (values that do not fit"),
        ({"n": column("n", "bigint")}, "safe widened n: integer -> bigint"),
        ({"n": column("n", "decimal(12,2)")}, "safe widened n: integer -> decimal(12,2)"),
        ({"n": column("n", "decimal(10,2)")}, "breaking retyped n: integer -> decimal(10,2)"),
        ({"n": column("n", "varchar(12)")}, "review retyped n: integer -> varchar(12)"),
        ({"n": column("n", "date")}, "breaking retyped n: integer -> date (the load stops until decided)"),
        ({"ca": column("ca", "decimal(12,2)")}, "safe widened ca: decimal(10,2) -> decimal(12,2)"),
        ({"ca": column("ca", "decimal(10,4)")}, "review narrowed ca: decimal(10,2) -> decimal(10,4)"),
        ({"cod_cli": column("cod_cli", "varchar(9)", mandatory=True)}, "breaking retyped cod_cli: integer -> varchar(9) (it is in"),
        ({"mens": column("mens", "decimal(18,2)", extent=5)}, "review extent mens: 3 -> 5 (2 more columns)"),
        ({"mens": column("mens", "decimal(18,2)", extent=2)}, "breaking extent mens: 3 -> 2"),
        ({"n": column("n", "integer", mandatory=True)}, "safe nullable n: nullable -> mandatory"),
        ({"n": column("n", "integer", label="Nombre")}, "safe relabelled n: Nombre"),
        ({"gencod__v": None, "gencod_vt": column("gencod_vt", "varchar(20)")}, "review renamed gencod-v: gencod-v -> gencod_vt (probable"),
        ({"nom": None, "raison": column("raison", "varchar(40)", label="Titre")}, "review renamed nom: nom -> raison (probable"),
        ({"cod_cli": None, "cod_clt": column("cod_clt", "integer")}, "breaking renamed cod_cli: cod_cli -> cod_clt (probable"),
    ],
)  # fmt: skip
def test_each_change_has_a_name_and_a_class(changed: dict[str, SourceColumn | None], words: str) -> None:
    changes = diff(SPEC, after(**changed))
    assert len(changes) == 1
    assert str(changes[0]).startswith(words)


@pytest.mark.parametrize(
    "changed",
    [
        {"ville": column("ville", "varchar(30)"), "n": None},
        {"nom": column("nom", "varchar(60)", label="Titre"), "n": column("n", "bigint", mandatory=True, label="Nombre")},
        {"gencod__v": None, "gencod_vt": column("gencod_vt", "varchar(20)")},
        {"cod_cli": None, "cod_clt": column("cod_clt", "integer", mandatory=True)},
        {"mens": column("mens", "decimal(18,2)", extent=5), "ca": column("ca", "date")},
    ],
)
def test_after_applying_there_is_nothing_left_to_change(changed: dict[str, SourceColumn | None]) -> None:
    table = after(**changed)
    changes = diff(SPEC, table)
    assert changes
    assert diff(apply_changes(SPEC, changes), table) == []


def test_what_people_declared_stays() -> None:
    spec = TableSpec.model_validate(
        {
            "table": "client", "primary_key": ["cod_cli"], "owners": ["team:x"], "cursor": {"columns": ["dat_mod"]},
            "columns": [
                {"name": "cod_cli", "type": "integer"}, {"name": "dat_mod", "type": "timestamp"},
                {"name": "nom", "type": "varchar(40)", "sql_width": 40, "target": "name", "mask": "hash", "clean": {"trim": True}},
                {"name": "n", "type": "varchar", "source_type": "integer"},
            ],
        }
    )  # fmt: skip
    table = after(nom=column("nom", "varchar(60)"), n=column("n", "bigint"), name=column("name", "date"))
    result = apply_changes(spec, diff(spec, table))
    name = result.column("nom")
    assert (name.type, name.sql_width, name.target, name.mask, name.clean and name.clean.trim) == ("varchar(60)", 60, "name", "hash", True)
    assert (result.column("n").type, result.column("n").source_type) == ("varchar", "bigint")
    assert result.column("name").target_name == "name_2"
    assert result.owners == ("team:x",)


def test_a_renamed_key_is_followed_and_a_lost_key_is_a_decision() -> None:
    table = after(cod_cli=None, cod_clt=column("cod_clt", "integer"))
    result = apply_changes(SPEC, diff(SPEC, table))
    assert result.primary_key == ("cod_clt",)
    lost = diff(SPEC, after(cod_cli=None))
    assert lost[0].kind is ChangeKind.REMOVED
    with pytest.raises(SpecError, match="column 'cod_cli' is gone from the source and is in primary_key"):
        apply_changes(SPEC, lost)
