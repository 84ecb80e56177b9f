"""The anonymous columns: what brings a table to its profile's number of columns by type, NULL and constant ones.

Owns their names, labels, widths and contents. The plan is a pure function of the table name and its profile.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, product

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.twin.erp import recipes as r
from cbm_etl_assets.twin.erp.blueprint import Col, Fill
from cbm_etl_assets.twin.erp.profile import TableProfile

_THEMES: tuple[tuple[str, str], ...] = (
    ("vte", "vente"), ("ach", "achat"), ("rev", "revient"), ("std", "standard"), ("net", "net"), ("brut", "brut"), ("fra", "frais"),
    ("rem", "remise"), ("tva", "TVA"), ("cde", "commande"), ("liv", "livraison"), ("fac", "facture"), ("res", "réserve"), ("dep", "dépôt"),
    ("exp", "expédition"), ("tra", "transport"), ("emb", "emballage"), ("com", "commission"), ("obj", "objectif"), ("bud", "budget"),
    ("prv", "prévision"), ("reg", "règlement"), ("ech", "échéance"), ("cpt", "compta"), ("ana", "analytique"), ("edi", "EDI"),
    ("web", "site web"), ("qua", "qualité"), ("fab", "fabrication"), ("nom", "nomenclature"), ("gam", "gamme"),
)  # fmt: skip
_PREFIXES: dict[str, tuple[tuple[str, str], ...]] = {
    "character": (
        ("lib", "Libellé"), ("cod", "Code"), ("ref", "Référence"), ("typ", "Type"), ("zal", "Zone alpha"), ("obs", "Observation"),
        ("nat", "Nature"),
    ),
    "integer": (("nb", "Nombre"), ("no", "Numéro"), ("del", "Délai"), ("znu", "Zone numérique"), ("ind", "Indice")),
    "decimal": (("mt", "Montant"), ("px", "Prix"), ("qte", "Quantité"), ("tx", "Taux"), ("coef", "Coefficient")),
    "logical": (("zlo", "Zone logique"), ("ges", "Gestion"), ("edt", "Édition"), ("ctl", "Contrôle")),
    "date": (("dat", "Date"), ("zda", "Zone date")),
    "datetime": (("dh", "Date et heure"),),
}  # fmt: skip
_WIDTHS: tuple[int, ...] = (8, 8, 8, 10, 12, 12, 16, 20, 20, 24, 30, 30, 40, 50, 60)
_DECIMALS: tuple[str, ...] = ("dec(17,2)", "dec(17,2)", "dec(15,3)", "dec(17,5)")
_CONSTANTS: dict[str, tuple[r.Scalar, ...]] = {
    "character": ("", "", "", "N", "?", "00/00/00", "0"), "integer": (0, 0, 0, 1), "decimal": (0, 0, 1), "logical": (False, False, True),
    "date": (dt.date(1990, 1, 1), dt.date(2049, 12, 31)), "datetime": (dt.datetime(2000, 1, 1),),
}  # fmt: skip


def fill_up(table: str, declared: Sequence[Col], profile: TableProfile) -> tuple[Col, ...]:
    """The declared columns followed by the anonymous ones. Raises: ConfigurationError when the two do not fit the profile."""
    missing = Counter(profile.by_type)
    missing.subtract(c.profile_type for c in declared)
    fills = _missing_fills(declared, profile)
    if min(*missing.values(), *fills.values()) < 0 or missing.total() != sum(fills.values()):
        raise ConfigurationError(f"Table '{table}': its blueprint holds more than its profile: left {dict(missing)}, {dict(fills)}.")
    taken = {c.name.lower() for c in declared}
    slots = [(kind, n) for kind in sorted(missing) for n in range(missing[kind])]
    slots.sort(key=lambda slot: _dice(table, *slot))
    names = {kind: _names(kind, taken) for kind in missing}
    spread = [fill for fill in Fill for _ in range(fills[fill])]
    made = [_column(table, kind, n, next(names[kind]), fill) for (kind, n), fill in zip(slots, spread, strict=True)]
    made.sort(key=lambda column: _dice(table, column.name, "order"))  # empty and full columns alternate, as in a grown table
    return (*declared, *made)


def _missing_fills(declared: Sequence[Col], profile: TableProfile) -> dict[Fill, int]:
    have = Counter(c.fill for c in declared)
    return {
        Fill.VARIED: profile.never_null - profile.constant - have[Fill.VARIED],
        Fill.PARTLY: profile.partly_null - have[Fill.PARTLY],
        Fill.CONSTANT: profile.constant - have[Fill.CONSTANT],
        Fill.EMPTY: profile.all_null - have[Fill.EMPTY],
    }


def _dice(*parts: object) -> int:
    return int.from_bytes(hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=6).digest(), "little")


def _names(kind: str, taken: set[str]) -> Iterator[tuple[str, str]]:
    """(name, label), every ninth in mixed case, numbered from the second round on."""
    for position in count():
        for (theme, theme_label), (prefix, prefix_label) in product(_THEMES, _PREFIXES[kind]):
            name = f"{prefix}_{theme}" if position == 0 else f"{prefix}_{theme}_{position + 1}"
            if name in taken:
                continue
            taken.add(name)
            label = f"{prefix_label} {theme_label}"
            yield (name.title() if len(taken) % 9 == 0 else name), label


def _column(table: str, kind: str, n: int, named: tuple[str, str], fill: Fill) -> Col:
    name, label = named
    dice = _dice(table, kind, n, "content")
    recipe: r.Recipe
    if fill is Fill.EMPTY:
        recipe = r.EMPTY
    elif fill is Fill.CONSTANT:
        recipe = r.constant(_CONSTANTS[kind][dice % len(_CONSTANTS[kind])])
    else:
        recipe = _VARIED[kind]
    if fill is Fill.PARTLY:
        recipe = r.sparse(recipe, 0.10 + dice % 80 / 100)
    return Col(name, _type(kind, dice), recipe, label, fill)


def _type(kind: str, dice: int) -> str:
    if kind == "character":
        return f"char({_WIDTHS[dice % len(_WIDTHS)]})"
    if kind == "decimal":
        return _DECIMALS[dice % len(_DECIMALS)]
    return {"integer": "int", "logical": "log"}.get(kind, kind)


_VARIED: dict[str, r.Recipe] = {
    "character": r.filler_text, "integer": r.integers(-3, 400), "decimal": r.amounts(-200, 20_000), "logical": r.flags(0.3),
    "date": r.days_ago(-60, 4_000), "datetime": r.moments(900),
}  # fmt: skip
