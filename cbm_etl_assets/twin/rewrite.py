"""One OpenEdge SELECT to one PostgreSQL SELECT.

Owns the dialect: TOP, lock hints, names without case, three-state logicals as 1/0, ROWID, array functions, clock functions, what
is refused. The clauses are found by `twin.clauses`, names by `twin.names`; over-width columns come from the caller.
Source: OpenEdge SQL reference (SELECT, TOP, OFFSET/FETCH, NOLOCK and READPAST hints).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cbm_etl_assets.twin.clauses import Query, parse_queries
from cbm_etl_assets.twin.names import Column, Names, Relation
from cbm_etl_assets.twin.oeerrors import no_column, no_table, syntax
from cbm_etl_assets.twin.tokens import Token, quote, render
from cbm_etl_assets.twin.words import CLOCK, FUNCTIONS, KEYWORDS, REFUSED_WORDS


@dataclass
class Select:
    """A parsed SELECT: `relations` are all it reads. `sql()` may be asked once the over-width columns are known."""

    tokens: list[Token]
    queries: list[Query]
    nolock: bool = False
    readpast: bool = False
    relations: list[Relation] = field(default_factory=list)
    top: str = ""

    @property
    def widths(self) -> dict[str, int]:
        return {key: width for r in self.relations for key, width in r.widths.items()}

    @property
    def simple(self) -> bool:
        """One table, no grouping: PostgreSQL can lock its rows."""
        words = {t.upper for t in self.tokens}
        aggregates = words & {"COUNT", "MIN", "MAX", "SUM", "AVG", "DISTINCT", "GROUP", "UNION", "EXCEPT", "MINUS", "INTERSECT"}
        return len(self.queries) == 1 and len(self.relations) == 1 and not aggregates

    def sql(self, over_width: Mapping[int, frozenset[str]], *, locking: str = "") -> str:
        for query in self.queries:
            _guard_widths(query, over_width)
        return " ".join(part for part in (render(self.tokens), self.top and f"LIMIT {self.top}", locking) if part)


def parse_select(tokens: list[Token], names: Names, schema: str | None) -> Select:
    """Resolves every name of the statement. `schema`: the session's default. Raises: Refused."""
    select = Select(tokens, [])
    _hints(select)
    _escapes(tokens)
    _refuse_foreign_words(tokens)
    select.queries = parse_queries(tokens)
    _top(select)
    for query in select.queries:
        _tables(query, names, schema)
        select.relations += [r for r in query.relations.values() if r.oid and r not in select.relations]
    for query in reversed(select.queries):  # inner ones first: their outputs are the columns of derived tables
        _resolve(query)
    return select


def _hints(select: Select) -> None:
    """WITH (NOLOCK) | WITH (READPAST [NOWAIT | WAIT n]) anywhere: taken out and remembered."""
    tokens = select.tokens
    for i in range(len(tokens) - 2):
        if tokens[i].upper == "WITH" and tokens[i + 1].text == "(" and tokens[i + 2].upper in ("NOLOCK", "READPAST"):
            end = next((j for j in range(i, len(tokens)) if tokens[j].text == ")"), None)
            if end is None:
                raise syntax(tokens[i + 2].text)
            select.nolock = select.nolock or tokens[i + 2].upper == "NOLOCK"
            select.readpast = select.readpast or tokens[i + 2].upper == "READPAST"
            for token in tokens[i : end + 1]:
                token.out, token.kind, token.text = "", "space", ""
    select.tokens[:] = [t for t in tokens if t.kind != "space"]


def _escapes(tokens: list[Token]) -> None:
    """{d '...'} {t '...'} {ts '...'} {fn f(...)}."""
    literal = {"D": "DATE", "T": "TIME", "TS": "TIMESTAMP", "FN": ""}
    for i, token in enumerate(tokens[:-1]):
        if token.text == "{" and tokens[i + 1].upper in literal:
            token.out = ""
            tokens[i + 1].out = literal[tokens[i + 1].upper]
            tokens[i + 1].kind = "sign"
        elif token.text == "}":
            token.out = ""
    if tokens and tokens[-1].text == "}":
        tokens[-1].out = ""


def _refuse_foreign_words(tokens: list[Token]) -> None:
    """Words only PostgreSQL knows are refused, and the one only OpenEdge knows is replaced."""
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if token.upper == "MINUS":
            token.out = "EXCEPT"
        dotted = before is not None and before.text == "."
        if token.upper in REFUSED_WORDS and not dotted and (after is None or after.text != "."):
            raise syntax(f"{token.text} {after.text}" if after else token.text)
        # psqlODBC writes '2024-01-31'::date for an escape or a bound value; nobody else may.
        if token.text == "::" and (before is None or before.kind not in ("string", "parameter")):
            raise syntax("::")


def _top(select: Select) -> None:
    """Top-level TOP n becomes LIMIT n; elsewhere, or beside OFFSET/FETCH, OpenEdge refuses it."""
    for number, query in enumerate(select.queries):
        if query.top is None:
            continue
        word, count = query.top
        paged = {"OFFSET", "FETCH"} & {t.upper for t in select.tokens}
        united = {"UNION", "EXCEPT", "MINUS", "INTERSECT"} & {t.upper for t in select.tokens}
        if number or query.depth or paged or united:
            raise syntax(f"{word.text} {count.text}")
        word.out = count.out = ""
        select.top = count.text


def _tables(query: Query, names: Names, schema: str | None) -> None:
    if not query.has_from:
        raise syntax(query.tokens[query.start].text)
    for reference in query.references:
        alias = reference.alias
        if reference.derived is not None:
            key = alias.name if alias else ""
            query.relations[key] = Relation("", key, 0, reference.derived.outputs)
            query.labels[key] = quote(key)
            if alias is not None:
                alias.out = quote(key)
            continue
        parts = [t.name for t in reference.name]
        wanted = parts[0] if len(parts) == 2 else schema
        relation = names.relations.get((wanted, parts[-1])) if wanted else None
        if relation is None:
            raise no_table(".".join(parts) if len(parts) > 1 else f"{schema or 'replica'}.{parts[-1]}")
        for token in reference.name[1:] + reference.dots:
            token.out = ""
        reference.name[0].out = relation.quoted
        if alias is not None:
            alias.out = quote(alias.name)
        key = alias.name if alias else relation.name.lower()
        query.relations[key], query.labels[key] = relation, quote(alias.name if alias else relation.name)


def _resolve(query: Query) -> None:
    for i in query.own_name_positions():
        _name(query, i)
    query.finish_outputs()


def _name(query: Query, i: int) -> None:
    """Resolves the name that begins at token i: function, qualified column, column, alias or pseudo column."""
    tokens, token = query.tokens, query.tokens[i]
    if i + 1 < len(tokens) and tokens[i + 1].text == ".":
        _qualified(query, i)
    elif i + 1 < len(tokens) and tokens[i + 1].text == "(" and token.kind == "word":
        _function(tokens, i)
    elif token.upper in KEYWORDS:
        _keyword(token)
    elif query.is_alias(i):
        query.aliases[token.name] = token.out
    else:
        _column(query, i)


def _qualified(query: Query, i: int) -> None:
    tokens = query.tokens
    chain = [i]
    while chain[-1] + 2 < len(tokens) and tokens[chain[-1] + 1].text == ".":
        chain.append(chain[-1] + 2)
    table, last = tokens[chain[-2]], tokens[chain[-1]]
    found = query.find_relation(table.name)
    if found is None:
        raise no_column(".".join(tokens[c].text.strip('"') for c in chain))
    label, relation = found
    for c in range(chain[0], chain[-2]):
        tokens[c].out = tokens[c + 1].out = ""
    table.out = label
    if last.text == "*":
        return
    column = relation.columns.get(last.name)
    if column is not None:
        _put_column(query, (chain[0], chain[-1]), column)
    elif last.upper in ("ROWID", "RECID"):
        table.out, tokens[chain[-1] - 1].out = f"({table.out}", "."
        last.out = "ctid)::text" + (' AS "ROWID"' if query.is_bare(chain[0], chain[-1]) else "")
    elif relation.oid:
        raise no_column(last.text.strip('"'))


def _function(tokens: list[Token], i: int) -> None:
    token = tokens[i]
    if token.upper in CLOCK and i + 2 < len(tokens) and tokens[i + 2].text == ")":
        token.out, tokens[i + 1].out, tokens[i + 2].out = CLOCK[token.upper], "", ""
    elif token.upper in FUNCTIONS:
        token.out = FUNCTIONS[token.upper]


def _keyword(token: Token) -> None:
    if token.upper in CLOCK:
        token.out = CLOCK[token.upper]


def _column(query: Query, i: int) -> None:
    token = query.tokens[i]
    owners = query.owners(token.name)
    if owners:
        _put_column(query, (i, i), owners[0].columns[token.name])
    elif token.name in query.aliases:
        token.out = query.aliases[token.name]
    elif token.upper in ("ROWID", "RECID"):
        token.out = "ctid::text" + (' AS "ROWID"' if query.is_bare(i, i) else "")
    elif token.kind == "quoted":
        raise no_column(token.text.strip('"'))


def _put_column(query: Query, where: tuple[int, int], column: Column) -> None:
    """A logical compares as 1 and 0: there is no boolean literal in OpenEdge SQL. Selected or grouped it stays what it is."""
    first, last = where
    query.tokens[last].out = column.quoted
    if query.is_bare(first, last):
        query.selected.append((first, last, column))
    elif column.type == "bool" and not query.in_grouping(first):
        query.tokens[last].out += "::int"
    elif column.folded and not query.in_grouping(first):
        _fold(query.tokens, first, last)


def _fold(tokens: list[Token], first: int, last: int) -> None:
    """`name = 'x'`, either way round, LIKE and IN: both sides in lower case."""
    tokens[first].out = "lower(" + tokens[first].out
    tokens[last].out += ")"
    operators = ("=", "<>", "!=", "LIKE", "IN", "(", ",")
    sides = [(range(last + 1, len(tokens)), operators), (range(first - 1, -1, -1), ("=", "<>", "!="))]
    for positions, known in sides:
        for i in positions:
            if tokens[i].kind in ("string", "parameter"):
                tokens[i].out = f"lower({tokens[i].text})"
            elif tokens[i].text.upper() not in known:
                break


def _guard_widths(query: Query, over_width: Mapping[int, frozenset[str]]) -> None:
    """Selected columns that hold over-width values raise when such a value is reached, as OpenEdge does, and not before."""
    relations = [r for r in query.relations.values() if over_width.get(r.oid)]
    if not relations:
        return
    _expand_stars(query, over_width)
    for first, last, column in query.selected:
        owner = next((r for r in relations if r.columns.get(column.name.lower()) is column), None)
        if owner is None or column.name.lower() not in over_width[owner.oid]:
            continue
        text = render(query.tokens[first : last + 1])
        for token in query.tokens[first + 1 : last + 1]:
            token.out = token.before = ""
        named = "" if query.has_alias(last) else f" AS {column.quoted}"
        query.tokens[first].out = _guarded(text, column, owner) + named


def _guarded(text: str, column: Column, owner: Relation) -> str:
    shown = "'" + column.name.replace("'", "''") + "', '" + owner.name.replace("'", "''") + "'"
    return f"CAST(CASE WHEN length({text}) > {column.width} THEN cbm_twin.too_wide({shown}) ELSE {text} END AS varchar({column.width}))"


def _expand_stars(query: Query, over_width: Mapping[int, frozenset[str]]) -> None:
    for first, last in query.stars:
        only = query.tokens[last - 2].name if last > first else None
        every: list[str] = []
        for key, relation in query.relations.items():
            if only is None or key == only:
                over = over_width.get(relation.oid, frozenset())
                every += [_star_item(f"{query.labels[key]}.{c.quoted}", relation, c, name in over) for name, c in relation.columns.items()]
        for token in query.tokens[first : last + 1]:
            token.out = ""
        query.tokens[first].out = ", ".join(every)


def _star_item(text: str, relation: Relation, column: Column, over: bool) -> str:
    return f"{_guarded(text, column, relation)} AS {column.quoted}" if over else text
