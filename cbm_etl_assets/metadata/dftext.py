"""The words of a `.df` file: quoted strings, bare words, line numbers, comments. Knows nothing of tables.

Statements may be indented and options come in any order, so a line's first word decides what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from cbm_etl_assets.errors import DumpFormatError

_WORD = re.compile(
    r"""(?P<blank>[ \t\r\f]+)|(?P<newline>\n)|(?P<comment>\#[^\n]*)"""
    r"""|"(?P<string>[^"]*(?:""[^"]*)*)"(?P<glued>\S*)|(?P<bare>[^\s"]+)|(?P<open>")"""
)


@dataclass(frozen=True)
class Word:
    """`quoted` tells `"?"`, a text, from `?`, unknown."""

    text: str
    line: int
    quoted: bool

    def __str__(self) -> str:
        return f'"{self.text}"' if self.quoted else self.text

    @property
    def keyword(self) -> str:
        """Upper-case bare word, '' for a string."""
        return "" if self.quoted else self.text.upper()


class Words:
    """The words of one line, taken from the left."""

    def __init__(self, words: list[Word], where: str) -> None:
        self._words = words
        self._where = where
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._words)

    @property
    def line(self) -> int:
        return self._words[min(self._at, len(self._words) - 1)].line

    def peek(self) -> str:
        return self._words[self._at].keyword if self else ""

    def take(self, expected: str) -> Word:
        if not self:
            last = self._words[-1]
            fail(self._where, last.line, f"the end of the line after {last}", expected)
        self._at += 1
        return self._words[self._at - 1]

    def rest(self) -> list[Word]:
        left, self._at = self._words[self._at :], len(self._words)
        return left

    def keyword(self, *known: str) -> str:
        word = self.take(" or ".join(known))
        if word.keyword not in known:
            fail(self._where, word.line, str(word), " or ".join(known))
        return word.keyword

    def name(self, what: str) -> str:
        """A name, quoted as dumps write it or bare."""
        word = self.take(f"the {what} in quotes")
        if not word.text or word.keyword == "?":
            fail(self._where, word.line, str(word), f"the {what} in quotes")
        return word.text

    def string(self, what: str) -> str:
        """A quoted text; unknown (?) is ''."""
        word = self.take(f"{what} followed by a text in quotes")
        if not word.quoted and word.text != "?":
            fail(self._where, word.line, word.text, f"a text in quotes after {what}")
        return word.text if word.quoted else ""

    def number(self, what: str) -> int | None:
        """A whole number, quoted or not; unknown (?) is None."""
        word = self.take(f"{what} followed by a number")
        if word.text == "?":
            return None
        if not re.fullmatch(r"-?\d{1,18}", word.text):
            fail(self._where, word.line, str(word), f"a whole number after {what}")
        return int(word.text)


def fail(where: str, line: int, found: str, expected: str) -> NoReturn:
    shown = found if len(found) <= 60 else f"{found[:57]}..."
    raise DumpFormatError(
        f"{where}:{line}: found {shown}, expected {expected}", remedy="dump the schema again rather than edit the .df file by hand"
    )


def logical_lines(text: str, where: str) -> Iterator[list[Word]]:
    """The words of each line that has any: a string may span lines, the words after it belong to the line it began on."""
    line, words = 1, list[Word]()
    for found in _WORD.finditer(text):
        if found.lastgroup == "newline":
            if words:
                yield words
            words, line = [], line + 1
        elif (word := _word(found, line, where)) is not None:
            words.append(word)
            line += found[0].count("\n")
    if words:
        yield words


def _word(found: re.Match[str], line: int, where: str) -> Word | None:
    if found.lastgroup == "bare":
        return Word(found["bare"], line, False)
    if found.lastgroup == "open":
        fail(where, line, '"', "a closing quote before the end of the file")
    if found.lastgroup != "glued":
        return None
    if found["glued"]:
        last = line + found["string"].count("\n")
        fail(where, last, found["glued"], f'a blank after the text opened on line {line} (a quote inside a text is written "")')
    return Word(found["string"].replace('""', '"'), line, True)
