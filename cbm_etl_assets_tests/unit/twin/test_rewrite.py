"""The dialect without a server: text in, text out."""

from __future__ import annotations

import pytest

from cbm_etl_assets.twin.names import Column, Names, Relation
from cbm_etl_assets.twin.oeerrors import Refused
from cbm_etl_assets.twin.rewrite import Select, parse_select
from cbm_etl_assets.twin.tokens import render, statements, tokenize


def relation(name: str, oid: int, *columns: Column) -> Relation:
    return Relation("pub", name, oid, {c.name.lower(): c for c in columns}, dict(enumerate(columns, start=1)))


@pytest.fixture
def names() -> Names:
    def connect() -> None:
        raise AssertionError("the dialect needs no server")

    known = Names(connect)  # type: ignore[arg-type]
    client = relation("Client", 1, Column("cod_cli", "int4"), Column("Nom", "text", 20), Column("actif", "bool"))
    known.relations = {("pub", "client"): client, ("pub", "cde"): relation("cde", 2, Column("num", "int4"), Column("Cod_Cli", "int4"))}
    return known


def select(sql: str, names: Names) -> Select:
    return parse_select(tokenize(sql), names, None)


def rewritten(sql: str, names: Names, over: dict[int, frozenset[str]] | None = None, locking: str = "") -> str:
    return " ".join(select(sql, names).sql(over or {}, locking=locking).split())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a -- note ; \n, 'it''s ; \"x\"' FROM t /* ; */ WHERE b = $1 AND \"c d\" <> .5e-3",
        "select E'a\\';b' || x::date",
        "  ",
        'SELECT é, \'ligne\nsuivante\' FROM "T""t"',
    ],
)
def test_tokens_lose_nothing(sql: str) -> None:
    assert render(tokenize(sql)) == sql.strip()


def test_a_semicolon_in_a_text_ends_nothing() -> None:
    assert [render(s) for s in statements(tokenize("BEGIN;SELECT ';' FROM t;;COMMIT"))] == ["BEGIN", "SELECT ';' FROM t", "COMMIT"]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT TOP 3 nom FROM pub.CLIENT", 'SELECT "Nom" FROM pub."Client" LIMIT 3'),
        ("SELECT c.* FROM PUB.client AS C WITH (NOLOCK)", 'SELECT "c".* FROM pub."Client" AS "c"'),
        ("SELECT NOM n FROM PUB.Client ORDER BY N", 'SELECT "Nom" n FROM pub."Client" ORDER BY n'),
        ("SELECT num FROM PUB.cde WHERE num IN (0, 1)", 'SELECT "num" FROM pub."cde" WHERE "num" IN (0, 1)'),
        ("SELECT actif FROM PUB.Client WHERE actif IN (0, 1)", 'SELECT "actif" FROM pub."Client" WHERE "actif"::int IN (0, 1)'),
        (
            "SELECT nom, num FROM PUB.Client a LEFT OUTER JOIN PUB.cde b ON a.cod_cli = B.COD_CLI",
            'SELECT "Nom", "num" FROM pub."Client" "a" LEFT OUTER JOIN pub."cde" "b" ON "a"."cod_cli" = "b"."Cod_Cli"',
        ),
        ("SELECT nom, num FROM PUB.Client, PUB.cde", 'SELECT "Nom", "num" FROM pub."Client", pub."cde"'),
        ("SELECT {fn UCASE(nom)} FROM PUB.Client", 'SELECT upper("Nom") FROM pub."Client"'),
    ],
)
def test_rewritten(names: Names, sql: str, expected: str) -> None:
    assert rewritten(sql, names) == expected


@pytest.mark.parametrize(
    ("sql", "guarded"),
    [
        ("SELECT * FROM PUB.Client", True), ("SELECT Nom FROM PUB.Client", True), ("SELECT c.Nom AS x FROM PUB.Client c", True),
        ("SELECT a.* FROM PUB.Client a, PUB.cde b", True), ("SELECT b.* FROM PUB.Client a, PUB.cde b", False),
        ("SELECT cod_cli FROM PUB.Client WHERE nom = 'x'", False), ("SELECT LENGTH(nom) FROM PUB.Client", False),
    ],
)  # fmt: skip
def test_only_selected_over_width_columns_are_guarded(names: Names, sql: str, guarded: bool) -> None:
    assert ("cbm_twin.too_wide('Nom', 'Client')" in rewritten(sql, names, {1: frozenset({"nom"})})) is guarded
    assert "too_wide" not in rewritten(sql, names, {1: frozenset()})


def test_hints_are_remembered_and_taken_out(names: Names) -> None:
    assert select("SELECT nom FROM PUB.Client WITH (NOLOCK)", names).nolock
    assert select("SELECT nom FROM PUB.Client WITH (READPAST WAIT 3)", names).readpast
    plain = select("SELECT nom FROM PUB.Client", names)
    assert (plain.nolock, plain.readpast) == (False, False)


@pytest.mark.parametrize(
    ("sql", "simple"),
    [
        ("SELECT nom FROM PUB.Client WHERE cod_cli = 1", True),
        ("SELECT COUNT(*) FROM PUB.Client", False),
        ("SELECT nom FROM PUB.Client, PUB.cde", False),
        ("SELECT nom FROM PUB.Client UNION SELECT nom FROM PUB.Client", False),
    ],
)
def test_only_simple_reads_can_lock_rows(names: Names, sql: str, simple: bool) -> None:
    assert select(sql, names).simple is simple


@pytest.mark.parametrize(
    "sql", ["SELECT nom FROM PUB.Client WITH (NOLOCK", "SELECT nom FROM a.PUB.Client", "SELECT (nom FROM PUB.Client", "SELECT 1)"]
)
def test_half_statements_are_refused_in_words(names: Names, sql: str) -> None:
    with pytest.raises(Refused, match=r"Syntax error in SQL statement at or about"):
        select(sql, names)
