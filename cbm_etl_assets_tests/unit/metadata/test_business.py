"""Names for people: what a column is called in a report."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbm_etl_assets.metadata.business import OURS, business_names, descriptions
from cbm_etl_assets.metadata.spec import TableSpec


def spec_of(*columns: dict[str, Any]) -> TableSpec:
    return TableSpec.model_validate({"table": "client", "columns": [{"type": "varchar(10)"} | c for c in columns]})


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ({"name": "nom", "label": "Raison sociale"}, "Raison sociale"), ({"name": "nom"}, "nom"),
        ({"name": "nom", "description": "Nom du client"}, "Nom du client"),
        ({"name": "nom", "description": "x" * 61}, "nom"), ({"name": "nom", "label": "Code!client"}, "Code client"),
        ({"name": "nom", "label": "Actif ?"}, "Actif"), ({"name": "nom", "label": "Px [HT]"}, "Px (HT)"),
        ({"name": "nom", "label": " a\n\tb\x1b "}, "a b"), ({"name": "nom", "label": "?"}, "nom"),
        ({"name": "nom", "label": 'le "vrai"'}, "le 'vrai'"),
        ({"name": "nom", "label": "N° TVA."}, "N° TVA"),
    ],
)  # fmt: skip
def test_the_label_else_a_short_description_else_the_name(column: dict[str, Any], shown: str) -> None:
    assert business_names(spec_of(column), 63) == [("nom", shown)]


def test_the_first_of_one_label_keeps_it_and_ours_are_nobodys() -> None:
    spec = spec_of(
        {"name": "mt", "label": "Montant"}, {"name": "mt_ht", "label": "montant"}, {"name": "up", "label": "Updated at"},
        {"name": "secret", "exclude": True}, {"name": "x", "label": "Montant (mt_ht)"},
    )  # fmt: skip
    assert business_names(spec, 63) == [
        ("mt", "Montant"), ("mt_ht", "montant (mt_ht)"), ("up", "Updated at (up)"), ("x", "Montant (mt_ht) (x)"),
    ]  # fmt: skip


def test_elements_of_an_array_are_numbered() -> None:
    spec = spec_of({"name": "qte", "label": "Quantité", "extent": 2, "type": "integer"}, {"name": "px", "extent": 2, "type": "integer"})
    assert business_names(spec, 63) == [("qte_1", "Quantité 1"), ("qte_2", "Quantité 2"), ("px_1", "px_1"), ("px_2", "px_2")]


@given(labels=st.lists(st.text(max_size=80), min_size=1, max_size=12), longest=st.integers(min_value=24, max_value=128))
def test_names_are_always_unique_and_always_fit(labels: list[str], longest: int) -> None:
    spec = spec_of(*({"name": f"c{i}", "label": label.replace("\x00", "")} for i, label in enumerate(labels)))
    names = [shown for _, shown in business_names(spec, longest)]
    assert len({name.lower() for name in names} | {n.lower() for n in OURS}) == len(names) + len(OURS)
    assert all(0 < len(name.encode()) <= longest and name.isprintable() for name in names)


def test_descriptions_are_label_and_description() -> None:
    columns = [
        {"name": "a", "type": "integer", "label": "Code", "description": "unique"},
        {"name": "b", "type": "integer", "extent": 2, "label": "Qté"},
    ]
    spec = TableSpec.model_validate({"table": "client", "description": "Les clients", "columns": columns})
    assert list(descriptions(spec)) == [("", "Les clients"), ("a", "Code: unique"), ("b_1", "Qté"), ("b_2", "Qté")]
