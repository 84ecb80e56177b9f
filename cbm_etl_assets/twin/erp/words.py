"""The French the ERP speaks: vocabularies, junk values, and pools of ready-made texts that fit a width.

Owns text only. Every pool holds accents, a ligature, trailing blanks and the junk that means "nothing".
"""

from __future__ import annotations

from functools import cache

import polars as pl

# Values seen in real columns where somebody had nothing to say; the replicator must deliver them as they are.
JUNK: tuple[str, ...] = ("", "?", "??", "???", ".", "---", "00/00/00", "00000000", "00/00/0000")
WORDS: tuple[str, ...] = (
    "écrou", "œillet", "bœuf", "vis", "côté", "façade", "pièce", "n° 5", "à livrer", "reçu", "Noël", "naïf", "où", "crème",
    "40 €", "Straße", "l'été", "été/hiver", "a;b", "d~f", "1,5 mm", "100 %", "pneu", "bâche", "câble", "clé", "âge", "forêt",
    "Ø 12", "½ tour", "m²", "R&D", "\"cote\"", "tôle", "béton", "vérin", "pâte", "gîte", "île", "ça va", "hôtel", "maïs",
)  # fmt: skip
COMPANIES: tuple[str, ...] = ("Sté", "SARL", "SAS", "Ets", "Garage", "Fonderie", "Menuiserie", "Établissements", "Coopérative", "Maison")
SURNAMES: tuple[str, ...] = (
    "Lefèvre", "Müller", "Cœurdacier", "Gauß", "François", "Hélène", "d'Alès", "Bénéteau", "Noël", "Le Goff", "Île-de-Ré",
    "Châtelain", "Desmoulins", "Garçon", "Küntz", "O'Brien", "Pérez", "Quéméré", "Saint-Exupéry", "Vœux", "Zaïd", "Wagner",
)  # fmt: skip
TOWNS: tuple[str, ...] = (
    "Angoulême", "Besançon", "Châlons", "Évreux", "Fécamp", "Gérardmer", "L'Haÿ-les-Roses", "Mâcon", "Nîmes", "Orléans", "Périgueux",
    "Saint-Étienne", "Sète", "Thônes", "Vœuil-et-Giget", "Besse",
)  # fmt: skip
GOODS: tuple[str, ...] = (
    "Écrou", "Boulon", "Rondelle", "Joint", "Vérin", "Câble", "Clé", "Bâche", "Tôle", "Œillet", "Pâte", "Colle", "Pneu", "Jante",
    "Filtre", "Bougie", "Flexible", "Pompe", "Rétroviseur", "Crémaillère",
)  # fmt: skip
TRAITS: tuple[str, ...] = (
    "inox", "zingué", "à tête fraisée", "Ø 12", "M8x40", "grand modèle", "série spéciale", "1/2 tour", "noir", "époxy", "renforcé",
    "n° 3", "50 €", "droit", "gauche", "bronze", "2 pièces", "sans plomb",
)  # fmt: skip


@cache
def filler_pool(width: int) -> pl.Series:
    """Words and pairs of words of at most `width` characters; one in six is junk, one in eight ends in blanks."""
    texts: list[str] = []
    for i, word in enumerate(WORDS):
        texts += [word, f"{word} {WORDS[(i * 7 + 3) % len(WORDS)]}", f"{word}{'  ' if i % 4 == 0 else ''}"]
    texts += [JUNK[i % len(JUNK)] for i in range(len(texts) // 5)]
    fitting = [text for text in texts if len(text) <= width]
    return pl.Series(values=fitting or ["O", "N", "", "?"], dtype=pl.String)


@cache
def pairs(left: tuple[str, ...], right: tuple[str, ...], width: int) -> pl.Series:
    """Every 'left right' that fits."""
    return pl.Series(values=[t for a in left for b in right if len(t := f"{a} {b}") <= width], dtype=pl.String)


@cache
def price_elements() -> pl.Series:
    """Elements of a decimal extent as the SQL engine spells them: no trailing zero, '?' = NULL element, sign kept."""
    texts = ["0", "0", "0", "?", "-2", "-0.5"]
    texts += [f"{i % 997 + 1}.{i % 90 + 10}".rstrip("0") for i in range(500)]
    return pl.Series(values=texts, dtype=pl.String)


@cache
def text_elements() -> pl.Series:
    """Elements of a character extent, escaped: `~;` is a semicolon, `~~` a tilde, `~?` a question mark, '?' NULL."""
    plain = [w for w in WORDS if len(w) <= 10]
    escaped = ["~?" if w == "?" else w.replace("~", "~~").replace(";", "~;") for w in plain]
    return pl.Series(values=[*escaped, "", "~?", "?"], dtype=pl.String)


@cache
def integer_elements() -> pl.Series:
    """Elements of an integer extent, one in forty NULL."""
    return pl.Series(values=["?", *[str((i * 37) % 480 - 12) for i in range(39)]], dtype=pl.String)
