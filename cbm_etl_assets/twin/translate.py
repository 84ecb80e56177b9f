"""From what the driver sent to what PostgreSQL runs, with what the proxy must know of the answers.

Owns the decision per statement: passed on, rewritten or refused, and which result belongs to which table. The dialect's grammar
is `twin.rewrite`'s, the catalogue `twin.names`', the wording of errors `twin.oeerrors`'.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from cbm_etl_assets.twin import oeerrors, wire
from cbm_etl_assets.twin.names import Names
from cbm_etl_assets.twin.oeerrors import Refused
from cbm_etl_assets.twin.rewrite import Select, parse_select
from cbm_etl_assets.twin.session import NOTHING, Session, Stream
from cbm_etl_assets.twin.tokens import Token, render, statements, tokenize
from cbm_etl_assets.twin.wire import Field, WireError
from cbm_etl_assets.twin.words import CONTROL

# psqlODBC's own catalogue queries name one of these; OpenEdge has none of them.
_CATALOGUE = re.compile(r"\bpg_\w+|\binformation_schema\b|\bversion\s*\(\s*\)|\bcurrent_schema\b", re.IGNORECASE)
_REFUSED_TEXT = "openedge refuses this statement"  # no PostgreSQL grammar takes it: nothing of the message is executed
_EXPRESSION_WIDTH = 2000  # what OpenEdge gives an expression whose width it cannot derive
_TIMESTAMP_TZ_WIDTH = 32  # '2024-03-31 01:30:00.123456+00'


@dataclass(frozen=True)
class Translation:
    sql: str
    streams: tuple[Stream, ...]
    nolock: bool = False


class Translator:
    """One for all connections."""

    def __init__(self, names: Names, lock_wait_seconds: float) -> None:
        self._names = names
        self._lock_wait_seconds = lock_wait_seconds

    async def translate(self, text: str, session: Session) -> Translation:
        """Never raises for a bad statement: the refusal is in the stream, and PostgreSQL is sent what it refuses too."""
        pieces: list[str] = []
        streams: list[Stream] = []
        nolock = False
        try:
            for tokens in statements(tokenize(text)):
                piece, stream, hinted = await self._statement(tokens, session)
                pieces.append(piece)
                streams.append(stream)
                nolock = nolock or hinted
        except Refused as refused:
            return Translation(_REFUSED_TEXT, (Stream(refusal=refused.error),))
        return Translation("; ".join(pieces), tuple(streams) or (NOTHING,), nolock)

    def field(self, stream: Stream, field: Field) -> Field:
        """A column as OpenEdge describes it: characters with their SQL width, TIMESTAMP WITH TIME ZONE as text.

        Without a table of origin psqlODBC asks no catalogue query per table (about 1 s for 426 columns).
        """
        if not stream.tables:
            return field
        relation = self._names.by_oid.get(field.table_oid)
        column = relation.by_number.get(field.number) if relation else None
        plain = replace(field, table_oid=0, number=0)
        if field.type_oid == wire.TIMESTAMPTZ and field.format == 0:
            return _varchar(plain, _TIMESTAMP_TZ_WIDTH)
        if field.type_oid != wire.TEXT:
            return plain
        if column is not None:
            return _varchar(plain, column.width) if column.width else plain
        return _varchar(plain, stream.widths.get(field.name.lower(), _EXPRESSION_WIDTH))

    def error(self, error: WireError, tables: frozenset[str]) -> WireError:
        return oeerrors.translate(error, tables)

    def lock_error(self, table: str) -> WireError:
        return oeerrors.record_lock(table)

    async def _statement(self, tokens: list[Token], session: Session) -> tuple[str, Stream, bool]:
        word = tokens[0].upper
        if word == "DECLARE":
            return await self._declare(tokens, session)
        if word in CONTROL:
            return render(tokens), self._control(tokens, session), False
        text = render(tokens)
        if _CATALOGUE.search(text):
            return _lower_schema(text), NOTHING, False
        if word != "SELECT":
            raise oeerrors.syntax(tokens[0].text) if word in ("WITH", "VALUES", "TABLE", "EXPLAIN", "") else oeerrors.denied()
        sql, stream, select, _ = await self._select(tokens, session)
        return sql, stream, select.nolock

    async def _declare(self, tokens: list[Token], session: Session) -> tuple[str, Stream, bool]:
        at = next((i for i, t in enumerate(tokens) if t.upper == "SELECT"), None)
        if at is None:
            raise oeerrors.syntax(tokens[0].text)
        head, body = tokens[:at], tokens[at:]
        if _CATALOGUE.search(render(body)):
            return _lower_schema(render(tokens)), NOTHING, False
        sql, stream, select, locking = await self._select(body, session)
        if locking:  # PostgreSQL locks rows only under a cursor that ends with its transaction; psqlODBC keeps it open
            head = [t for t in head if t.upper not in ("WITH", "HOLD")]
        stream.cursor = True
        session.cursors[tokens[1].name] = stream
        return f"{render(head)} {sql}", NOTHING, select.nolock

    async def _select(self, tokens: list[Token], session: Session) -> tuple[str, Stream, Select, str]:
        select = await self._parse(tokens, session)
        tables = frozenset(r.name.lower() for r in select.relations)
        locks = not (select.nolock or session.isolation0)
        over_width = await self._names.over_width(select.relations)
        locking = await self._locking(select, locks)
        stream = Stream(tables, select.widths, locks)
        return select.sql(over_width, locking=locking), stream, select, locking

    async def _parse(self, tokens: list[Token], session: Session) -> Select:
        await self._names.refresh()
        text = render(tokens)
        try:
            return parse_select(tokens, self._names, session.schema)
        except Refused as refused:
            if refused.error.state not in ("42S02", "42S22"):
                raise
            # A table or column made behind the catalogue's back (CREATE VIEW, ALTER TABLE in a test).
            await self._names.refresh(force=True)
            tokens[:] = tokenize(text)
            return parse_select(tokens, self._names, session.schema)

    async def _locking(self, select: Select, locks: bool) -> str:
        """What makes a read meet the locks of others. Only while there are some: a lock clause costs a write per row."""
        tables = [r for r in select.relations if r.schema == "pub"]
        if not locks or not tables or not await self._names.held(tables):
            return ""
        if select.simple:
            return "FOR SHARE SKIP LOCKED" if select.readpast else "FOR SHARE"
        if await self._names.held(tables, self._lock_wait_seconds):
            raise Refused(oeerrors.record_lock(tables[0].name))
        return ""

    def _control(self, tokens: list[Token], session: Session) -> Stream:
        words = [t.upper for t in tokens]
        text = " ".join(words)
        if "ISOLATION LEVEL" in text:
            session.isolation0 = "READ UNCOMMITTED" in text
        elif words[:2] == ["SET", "SCHEMA"] and len(tokens) > 2:
            session.schema = tokens[2].text.strip("'\"").lower()
            tokens[2].out = f"'{session.schema}'"
        if words[0] in ("FETCH", "MOVE"):
            return session.cursors.get(tokens[-1].name, NOTHING)
        return NOTHING


def _varchar(field: Field, width: int) -> Field:
    return replace(field, type_oid=wire.VARCHAR, size=-1, modifier=width + 4)


def _lower_schema(text: str) -> str:
    """The catalogue functions of ODBC are asked for 'PUB'; the schema is `pub` here."""
    return re.sub(r"(?<=')(PUB|SYSPROGRESS)(?=')", lambda found: found[1].lower(), text)
