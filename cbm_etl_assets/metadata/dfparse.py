"""The statements of a `.df` file: verb, object, options. Knows the grammar, not what a statement does to a schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from cbm_etl_assets.metadata.dftext import Word, Words, fail, logical_lines

VERBS = ("ADD", "UPDATE", "RENAME", "DROP", "DELETE")
OBJECTS = ("TABLE", "FIELD", "INDEX", "SEQUENCE", "CONSTRAINT", "DATABASE")
_WITH_DATA = ("TABLE", "FIELD", "INDEX")
_FLAGS = frozenset({
    "MANDATORY", "NULL-ALLOWED", "CASE-SENSITIVE", "NOT-CASE-SENSITIVE", "UNIQUE", "NOT-UNIQUE", "PRIMARY", "WORD", "INACTIVE", "ACTIVE",
    "HIDDEN", "FROZEN", "BLOB-INLINE", "MULTITENANT", "NO-DEFAULT-AREA",
})  # fmt: skip
_TEXTS = frozenset({
    "AREA", "LABEL", "COLUMN-LABEL", "DESCRIPTION", "DUMP-NAME", "FORMAT", "HELP", "INITIAL", "VALEXP", "VALMSG", "VIEW-AS", "FOREIGN-NAME",
    "LABEL-SA", "COLUMN-LABEL-SA", "FORMAT-SA", "HELP-SA", "INITIAL-SA", "VALMSG-SA", "LOB-AREA", "CATEGORY", "COLLATION",
})  # fmt: skip
_NUMBERS = frozenset({"POSITION", "MAX-WIDTH", "SQL-WIDTH", "ORDER", "DECIMALS", "EXTENT", "LENGTH", "LOB-BYTES"})
# The rest of the line is theirs: free words, numbers or triggers that say nothing about the data.
_LOOSE = frozenset({
    "TABLE-TRIGGER", "FIELD-TRIGGER", "LOB-SIZE", "CLOB-CODEPAGE", "CLOB-COLLATION", "CLOB-TYPE", "INCREMENT", "MIN-VAL", "MAX-VAL",
    "CYCLE-ON-LIMIT", "SCALE", "MISC", "CAN-READ", "CAN-WRITE", "CAN-CREATE", "CAN-DELETE", "CAN-DUMP", "CAN-LOAD", "TYPE", "BUFFER-POOL",
    "ENCRYPTION", "CIPHER-NAME", "OBJECT-ATTRIBUTES", "CRC", "FOREIGN-TYPE", "FOREIGN-LEVEL", "FOREIGN-OWNER", "VALIDATE",
})  # fmt: skip


@dataclass
class Options:
    """What follows a statement's header. `numbers` holds None for an unknown (?)."""

    texts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int | None] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    index_fields: list[Word] = field(default_factory=list)
    other: dict[str, str] = field(default_factory=dict)

    def number(self, *names: str) -> int | None:
        """The first of the options that is declared."""
        return next((value for name in names if (value := self.numbers.get(name)) is not None), None)


@dataclass
class Statement:
    """`name` of the object, `table` it belongs to ('' for tables and sequences), `to` the new name of a RENAME."""

    verb: str
    object: str
    line: int
    name: str = ""
    table: str = ""
    to: str = ""
    type: str = ""
    options: Options = field(default_factory=Options)


def statements(text: str, where: str, warnings: list[str]) -> Iterator[Statement]:
    """Statements in file order; options nobody knows are added to `warnings`. Raises: DumpFormatError."""
    current: Statement | None = None
    for line in logical_lines(text, where):
        words = Words(line, where)
        verb = words.peek()
        if verb == ".":
            break
        if verb in VERBS:
            if current:
                yield current
            current = _header(words, where)
        elif current is None:
            fail(where, line[0].line, str(line[0]), "a statement beginning with ADD, UPDATE, RENAME or DROP")
        _options(words, current, where, warnings)
    if current:
        yield current


def _header(words: Words, where: str) -> Statement:
    first = words.take("a statement")
    statement = Statement(first.keyword, "", first.line)
    while words.peek() in ("UNIQUE", "PRIMARY", "WORD", "INACTIVE"):
        statement.options.flags.add(words.take("INDEX").keyword)
    word = words.take(f"{' or '.join(OBJECTS)} after {first.keyword}")
    statement.object = word.keyword
    if statement.object not in OBJECTS:
        if word.quoted:
            fail(where, word.line, str(word), f"{' or '.join(OBJECTS)} after {first.keyword}")
        words.rest()  # ADD POLICY and other objects of security and partitioning: no data definition
        return statement
    if statement.object == "DATABASE":
        words.rest()
        return statement
    statement.name = words.name(f"name of the {statement.object.lower()}")
    _tail_of_header(words, statement)
    return statement


def _tail_of_header(words: Words, statement: Statement) -> None:
    if statement.object == "CONSTRAINT":
        statement.table = _table_of_constraint(words)
        return
    is_rename = statement.verb == "RENAME"
    belongs = {"FIELD": "OF", "INDEX": "ON"}.get(statement.object, "")
    if is_rename and words.peek() == "TO":
        words.keyword("TO")
        statement.to = words.name(f"new name of the {statement.object.lower()}")
    if belongs:
        words.keyword(belongs)
        statement.table = words.name("name of the table")
    if is_rename and not statement.to:
        words.keyword("TO")
        statement.to = words.name(f"new name of the {statement.object.lower()}")
    if statement.verb == "ADD" and statement.object == "FIELD":
        words.keyword("AS")
        statement.type = words.take("a data type").text.lower()


def _table_of_constraint(words: Words) -> str:
    """ADD CONSTRAINT "c" [PRIMARY|UNIQUE|...] ON "t" ...: the clauses beyond the table do not matter here."""
    rest = words.rest()
    for marker, name in pairwise(rest):
        if marker.keyword in ("ON", "OF"):
            return name.text
    return ""


def _options(words: Words, statement: Statement, where: str, warnings: list[str]) -> None:
    while words:
        word = words.take("an option")
        if word.quoted or not word.text[0].isalpha():
            fail(where, word.line, str(word), f"an option of {statement.verb} {statement.object} or the next statement")
        if statement.object not in _WITH_DATA:
            statement.options.other[word.keyword] = " ".join(w.text for w in words.rest())
        elif not _option(word.keyword, words, statement.options):
            warnings.append(f'{where}:{word.line}: unknown option {word.text} of {statement.object} "{statement.name}" is left out')


def _option(name: str, words: Words, options: Options) -> bool:
    """Takes one option's values; False when nobody knows the option."""
    if name in _FLAGS:
        options.flags.add(name)
    elif name in _TEXTS:
        options.texts[name] = words.string(name)
    elif name in _NUMBERS:
        options.numbers[name] = words.number(name)
    elif name == "INDEX-FIELD":
        _index_field(words, options)
    else:
        options.other[name] = " ".join(str(w) for w in words.rest())
        return name in _LOOSE
    return True


def _index_field(words: Words, options: Options) -> None:
    word = words.take("the name of an indexed field")
    options.index_fields.append(word)
    if words:
        words.keyword("ASCENDING", "DESCENDING")
    if words:
        words.keyword("ABBREVIATED", "UNSORTED")
