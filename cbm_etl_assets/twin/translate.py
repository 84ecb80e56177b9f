"""From a statement as the driver sent it to what PostgreSQL runs, with what the proxy must know of its answer.

Owns the decision per statement; the dialect's grammar is `twin.rewrite`'s, the catalogue `twin.names`'.
"""

from __future__ import annotations

from dataclasses import dataclass

from cbm_etl_assets.twin.session import Session, Stream
from cbm_etl_assets.twin.wire import Field, WireError


@dataclass(frozen=True)
class Translation:
    sql: str
    streams: tuple[Stream, ...]
    nolock: bool = False


class Translator:
    async def translate(self, sql: str, session: Session) -> Translation:
        return Translation(sql, tuple(Stream() for s in sql.split(";") if s.strip()))

    def field(self, stream: Stream, field: Field) -> Field:
        return field

    def error(self, error: WireError, tables: frozenset[str]) -> WireError:
        return error

    def lock_error(self, table: str) -> WireError:
        return WireError("HY000", table)
