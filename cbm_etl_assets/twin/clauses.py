"""The queries of a statement and their clauses: where each SELECT begins and ends, its items, its table references.

Owns structure only; what a name means is `twin.rewrite`'s. Not a full parser: it follows parentheses and clause keywords.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cbm_etl_assets.twin.names import Column, Relation
from cbm_etl_assets.twin.oeerrors import syntax
from cbm_etl_assets.twin.tokens import Token
from cbm_etl_assets.twin.words import KEYWORDS

_SET_WORDS = frozenset({"UNION", "EXCEPT", "MINUS", "INTERSECT"})
_CLAUSES = ("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "OFFSET", "FETCH", "FOR")


@dataclass(eq=False)
class TableReference:
    """A table of a FROM clause: its name's tokens, or the query it is derived from."""

    name: list[Token]
    dots: list[Token]
    alias: Token | None = None
    derived: Query | None = None


@dataclass(eq=False)
class Query:
    """One SELECT of the statement: tokens [start, end) without the queries nested in it."""

    tokens: list[Token]
    depths: list[int]
    start: int
    parent: Query | None
    end: int = 0
    children: list[Query] = field(default_factory=list)
    references: list[TableReference] = field(default_factory=list)
    relations: dict[str, Relation] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Column] = field(default_factory=dict)
    selected: list[tuple[int, int, Column]] = field(default_factory=list)
    clauses: dict[str, int] = field(default_factory=dict)
    items: list[tuple[int, int]] = field(default_factory=list)
    top: tuple[Token, Token] | None = None

    @property
    def depth(self) -> int:
        return self.depths[self.start]

    @property
    def has_from(self) -> bool:
        return "FROM" in self.clauses

    @property
    def stars(self) -> list[tuple[int, int]]:
        """Items `*` and `t.*`."""
        return [
            (first, end - 1)
            for first, end in self.items
            if self.tokens[end - 1].text == "*" and (end - first == 1 or self.tokens[end - 2].text == ".")
        ]

    def own_positions(self) -> list[int]:
        """Positions of the query that lie in no nested query."""
        nested = {i for child in self.children for i in range(child.start, child.end)}
        return [i for i in range(self.start, self.end) if i not in nested]

    def own_name_positions(self) -> list[int]:
        """Positions where a name begins, those of table references left out."""
        taken = {id(t) for r in self.references for t in (*r.name, *([r.alias] if r.alias else []))}
        tokens = self.tokens
        return [i for i in self.own_positions() if tokens[i].is_name and tokens[i - 1].text != "." and id(tokens[i]) not in taken]

    def clause_end(self, name: str) -> int:
        later = [at for at in self.clauses.values() if at > self.clauses[name]]
        return min(later, default=self.end)

    def in_grouping(self, i: int) -> bool:
        """Whether token i stands in GROUP BY or ORDER BY."""
        return any(c in self.clauses and self.clauses[c] < i < self.clause_end(c) for c in ("GROUP", "ORDER"))

    def is_bare(self, first: int, last: int) -> bool:
        """Whether tokens first..last are a whole item of the select list, its alias aside."""
        return any(a == first and (b - 1 == last or self.has_alias(last)) for a, b in self.items if a <= last < b)

    def has_alias(self, last: int) -> bool:
        end = next((b for a, b in self.items if a <= last < b), 0)
        return end - 1 > last and self.is_alias(end - 1) and end - 2 - (self.tokens[end - 2].upper == "AS") == last

    def is_alias(self, i: int) -> bool:
        """Whether token i names an item: after AS, or behind a finished expression."""
        item = next(((a, b) for a, b in self.items if i == b - 1 and i > a), None)
        if item is None or not self.tokens[i].is_name:
            return False
        before = self.tokens[i - 1]
        ended = before.kind in ("string", "number", "quoted", "parameter") or before.text == ")" or before.upper == "END"
        return before.upper == "AS" or ended or (before.kind == "word" and before.upper not in KEYWORDS)

    def find_relation(self, name: str) -> tuple[str, Relation] | None:
        """The label to write and the relation of that alias, here or in an enclosing query."""
        if name in self.relations:
            return self.labels[name], self.relations[name]
        return self.parent.find_relation(name) if self.parent else None

    def owners(self, column: str) -> list[Relation]:
        found = [r for r in self.relations.values() if column in r.columns]
        return found or (self.parent.owners(column) if self.parent else [])

    def finish_outputs(self) -> None:
        """Once the names are resolved: the columns this query offers to the one around it."""
        for first, end in self.items:
            last = self.tokens[end - 1]
            bare = next((c for a, _, c in self.selected if a == first), None)
            if self.is_alias(end - 1):
                name = last.out.strip('"') if last.kind == "quoted" else last.name
                self.outputs[last.name] = Column(name, bare.type if bare else "", bare.width if bare else None)
            elif bare is not None:
                self.outputs[bare.name.lower()] = bare
        if self.stars:
            for relation in self.relations.values():
                self.outputs.update(relation.columns)


def parse_queries(tokens: list[Token]) -> list[Query]:
    """Outermost first, in the order of their SELECT. Raises: Refused on unbalanced parentheses."""
    depths = _depths(tokens)
    queries: list[Query] = []
    opened: list[Query] = []
    for i, token in enumerate(tokens):
        while opened and (depths[i] < opened[-1].depth or (depths[i] == opened[-1].depth and token.upper in _SET_WORDS)):
            opened.pop().end = i
        if token.upper == "SELECT":
            query = Query(tokens, depths, i, opened[-1] if opened else None)
            if query.parent:
                query.parent.children.append(query)
            queries.append(query)
            opened.append(query)
    for query in opened:
        query.end = len(tokens)
    for query in queries:
        _find_clauses(query)
        _find_items(query)
        if query.has_from:
            _find_references(query)
    return queries


def _depths(tokens: list[Token]) -> list[int]:
    """Nesting of every token; a parenthesis itself counts as outside."""
    depths, depth = [], 0
    for token in tokens:
        depth -= token.text == ")"
        if depth < 0:
            raise syntax(")")
        depths.append(depth)
        depth += token.text == "("
    if depth:
        raise syntax("(")
    return depths


def _find_clauses(query: Query) -> None:
    for i in query.own_positions():
        word = query.tokens[i].upper
        if query.depths[i] == query.depth and word in _CLAUSES and word not in query.clauses and query.tokens[i - 1].text != ".":
            query.clauses[word] = i


def _find_items(query: Query) -> None:
    tokens, first = query.tokens, query.start + 1
    end = min(query.clauses.values(), default=query.end)
    if first < end and tokens[first].upper in ("ALL", "DISTINCT"):
        first += 1
    if first + 1 < end and tokens[first].upper == "TOP" and tokens[first + 1].kind in ("number", "parameter"):
        query.top = (tokens[first], tokens[first + 1])
        first += 2
    start = first
    for i in range(first, end):
        if tokens[i].text == "," and query.depths[i] == query.depth:
            query.items.append((start, i))
            start = i + 1
    if start < end:
        query.items.append((start, end))


def _find_references(query: Query) -> None:
    tokens, i, expecting = query.tokens, query.clauses["FROM"] + 1, True
    end, level = query.clause_end("FROM"), query.depth
    nested = {child.start: child for child in query.children}
    while i < end:
        if i in nested:
            after = _closing(query, i)
            if expecting:
                alias, after = _alias(query, after + 1, end)
                query.references.append(TableReference([], [], alias, nested[i]))
            i, expecting = after, False
        elif expecting and tokens[i].is_name:
            level, expecting = query.depths[i], False
            i = _named_reference(query, i, end)
        else:
            expecting = (expecting and tokens[i].text == "(") or tokens[i].upper == "JOIN" or _next_table(query, i, level)
            i += 1


def _next_table(query: Query, i: int, level: int) -> bool:
    return query.tokens[i].text == "," and query.depths[i] == level


def _named_reference(query: Query, i: int, end: int) -> int:
    tokens = query.tokens
    name, dots = [tokens[i]], []
    while i + 2 < end and tokens[i + 1].text == "." and tokens[i + 2].is_name:
        dots.append(tokens[i + 1])
        name.append(tokens[i + 2])
        i += 2
    if len(name) > 2:
        raise syntax(".".join(t.text for t in name))
    alias, after = _alias(query, i + 1, end)
    query.references.append(TableReference(name, dots, alias))
    return after


def _alias(query: Query, i: int, end: int) -> tuple[Token | None, int]:
    """The alias at position i, if there is one, and the position behind it."""
    tokens = query.tokens
    if i < end and tokens[i].upper == "AS":
        i += 1
    if i < end and tokens[i].is_name and tokens[i].upper not in KEYWORDS:
        return tokens[i], i + 1
    return None, i


def _closing(query: Query, start: int) -> int:
    """The parenthesis that closes the one around position `start`."""
    level = query.depths[start] - 1
    return next(j for j in range(start, len(query.tokens)) if query.tokens[j].text == ")" and query.depths[j] == level)
