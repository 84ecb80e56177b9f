"""SQL text to tokens and back, without losing a blank.

Owns lexing only. Source: OpenEdge SQL reference, "Lexical elements"; PostgreSQL's E'...' strings because psqlODBC writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|--[^\n]*|/\*.*?\*/)+)
    |(?P<string>[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<parameter>\$\d+)
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<sign>::|<=|>=|<>|!=|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(eq=False)
class Token:
    """`text` as received, `out` as it will be sent, `before` the blanks in front of it."""

    kind: str
    text: str
    before: str
    out: str

    @property
    def upper(self) -> str:
        """The word in capitals; '' for anything that is not an unquoted word."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def is_name(self) -> bool:
        return self.kind in ("word", "quoted")

    @property
    def name(self) -> str:
        """The identifier without its quotes, in lower case: OpenEdge compares names without case, quoted or not."""
        return (self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text).lower()


def tokenize(sql: str) -> list[Token]:
    tokens, blanks = [], ""
    for found in _TOKEN.finditer(sql):
        kind, text = found.lastgroup or "sign", found.group()
        if kind == "space":
            blanks += text
            continue
        tokens.append(Token(kind, text, blanks, text))
        blanks = ""
    return tokens


def render(tokens: Iterable[Token]) -> str:
    return "".join(t.before + t.out for t in tokens).strip()


def statements(tokens: list[Token]) -> Iterator[list[Token]]:
    """The statements between semicolons, empty ones left out."""
    piece: list[Token] = []
    for token in tokens:
        if token.text == ";":
            if piece:
                yield piece
            piece = []
        else:
            piece.append(token)
    if piece:
        yield piece


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
