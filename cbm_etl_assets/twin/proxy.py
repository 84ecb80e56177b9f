"""The wire proxy: one client connection relayed to PostgreSQL, behaving as an OpenEdge SQL server does.

Owns the two pumps of a connection and what a fault does to it. SQL is `twin.translate`'s, the order of answers `twin.session`'s.
Rows are relayed in chunks of up to 256 kB; the only work per row is stepping over its header.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from cbm_etl_assets.twin import wire
from cbm_etl_assets.twin.faults import Fault, FaultBook, FaultKind
from cbm_etl_assets.twin.journal import Journal
from cbm_etl_assets.twin.session import Session
from cbm_etl_assets.twin.translate import Translator
from cbm_etl_assets.twin.wire import WireError

CHUNK = 256 * 1024
_NO_LIMIT = 1 << 60


class LinkClosed(Exception):
    """The connection has ended, by either side or by a fault."""


@dataclass(frozen=True)
class ProxyContext:
    """What all connections share. `sleep` is injected so that a test need not wait."""

    pg_port: int
    translator: Translator
    faults: FaultBook
    journal: Journal
    lock_wait_seconds: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class ProxyConnection:
    def __init__(self, context: ProxyContext, session: Session, client: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._context = context
        self._session = session
        self._reader, self._writer = client
        self._server: asyncio.StreamWriter | None = None
        self._holding = False
        self._held = bytearray()

    async def run(self, open_connections: int) -> None:
        """Serves the connection to its end."""
        pumps: list[asyncio.Task[None]] = []
        try:
            startup = await self._startup()
            if self._context.faults.refuses(open_connections):
                self._writer.write(WireError("53300", "sorry, too many connections to the database", "FATAL").pack())
                await self._writer.drain()
                return
            reader, self._server = await asyncio.open_connection("127.0.0.1", self._context.pg_port, limit=2 * CHUNK)
            self._server.write(startup)
            pumps = [asyncio.create_task(self._client_pump()), asyncio.create_task(self._server_pump(reader))]
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except (LinkClosed, ConnectionError, asyncio.IncompleteReadError):
            pass  # an ended link is the normal end of a connection
        finally:
            await self._close(pumps)

    async def _close(self, pumps: list[asyncio.Task[None]]) -> None:
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for writer in (self._server, self._writer):
            if writer is not None:
                writer.close()

    async def _startup(self) -> bytes:
        """The client's start-up message; encryption is declined, a cancel request is relayed."""
        while True:
            head = await self._reader.readexactly(4)
            raw = head + await self._reader.readexactly(struct.unpack("!I", head)[0] - 4)
            code = int.from_bytes(raw[4:8], "big")
            if code in (wire.SSL_REQUEST, wire.GSS_REQUEST):
                self._writer.write(b"N")
            elif code == wire.CANCEL_REQUEST:
                _, server = await asyncio.open_connection("127.0.0.1", self._context.pg_port)
                server.write(raw)
                await server.drain()
                server.close()
                raise LinkClosed
            else:
                self._session.isolation0 = b"read uncommitted" in raw.lower().replace(b"\\", b"")
                return raw

    # client -> server ---------------------------------------------------------------------------------------------

    async def _client_pump(self) -> None:
        server = self._server
        handlers: dict[int, Callable[[bytes], Awaitable[bytes]]] = {ord("Q"): self._query, ord("P"): self._parse}
        while server is not None:
            head = await self._reader.readexactly(5)
            body = await self._reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
            handler = handlers.get(head[0])
            if handler is None:
                self._note(head[0], body)
                server.write(head + body)
            else:
                server.write(wire.message(head[:1], await handler(body)))
            await server.drain()

    async def _query(self, body: bytes) -> bytes:
        sql, _ = wire.c_string(body, 0)
        translated = await self._context.translator.translate(sql, self._session)
        for stream in translated.streams:
            self._session.expect("result", stream)
        self._session.expect("sync")
        self._context.journal.write(self._session, sql, translated)
        return translated.sql.encode(errors="surrogateescape") + b"\0"

    async def _parse(self, body: bytes) -> bytes:
        name, pos = wire.c_string(body, 0)
        sql, pos = wire.c_string(body, pos)
        translated = await self._context.translator.translate(sql, self._session)
        stream = translated.streams[0] if translated.streams else self._session.current
        self._session.prepared[name] = stream
        self._session.expect("parse", stream)
        self._context.journal.write(self._session, sql, translated)
        return name.encode() + b"\0" + translated.sql.encode(errors="surrogateescape") + b"\0" + body[pos:]

    def _note(self, kind: int, body: bytes) -> None:
        """Remembers what the other messages of the extended protocol will be answered with."""
        session = self._session
        if kind == ord("B"):
            portal, statement, values = wire.bound_parameters(body)
            session.portals[portal] = session.prepared.get(statement, session.current)
            self._context.journal.parameters(session, values)
        elif kind == ord("D"):
            known = session.prepared if body[:1] == b"S" else session.portals
            session.expect("describe", known.get(wire.c_string(body, 1)[0], session.current))
        elif kind == ord("E"):
            session.expect("result", session.portals.get(wire.c_string(body, 0)[0], session.current))
        elif kind == ord("S"):
            session.expect("sync")

    # server -> client ---------------------------------------------------------------------------------------------

    async def _server_pump(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await reader.read(CHUNK):
            rest = await self._relay(rest + chunk if rest else chunk)
        raise LinkClosed

    async def _relay(self, data: bytes) -> bytes:
        """Sends on every complete message of `data`; answers the incomplete end."""
        pos = start = 0
        while True:
            stream, (limit, event) = self._session.current, self._countdown()
            pos, rows = wire.skip_rows(data, pos, limit)
            stream.rows += rows
            if event is not None and rows == limit and self._due(data, pos, limit):
                await self._send(data[start:pos])
                start = pos
                await event()
                continue
            if pos + 5 > len(data) or pos + wire.size_at(data, pos) > len(data):
                break
            end = pos + wire.size_at(data, pos)
            if (changed := self._answer(data[pos:end])) is not None:
                await self._send(data[start:pos])
                self._holding = self._may_be_withdrawn(data[pos])
                await self._send(changed)
                start = end
            pos = end
        await self._send(data[start:pos])
        return data[pos:]

    @staticmethod
    def _due(data: bytes, pos: int, limit: int) -> bool:
        """A fault after 0 rows strikes at the first row or at the end of the rows, not before the statement has begun."""
        return limit > 0 or (pos < len(data) and data[pos] in (wire.DATA_ROW, ord("C")))

    def _countdown(self) -> tuple[int, Callable[[], Awaitable[None]] | None]:
        """Rows that may pass before the next event, and the event."""
        if self._session.discarding:
            return _NO_LIMIT, None
        stream, faults = self._session.current, self._context.faults
        fault = faults.next_event(stream.tables, stream.locks)
        if fault is not None and fault.after_rows >= stream.rows:
            until = fault.after_rows - stream.rows
            latency = faults.latency(stream.tables)
            if latency is None or until <= self._to_round_trip(latency):
                return until, partial(self._strike, fault)
        latency = faults.latency(stream.tables)
        if latency is not None:
            return self._to_round_trip(latency), partial(self._context.sleep, latency.milliseconds / 1000)
        return _NO_LIMIT, None

    def _to_round_trip(self, latency: Fault) -> int:
        return latency.array_size - self._session.current.rows % latency.array_size

    async def _send(self, data: bytes) -> None:
        if not data:
            return
        if self._session.discarding:
            data = self._after_lock_error(data)
        if self._holding:
            self._held += data
            return
        if self._held:
            data = bytes(self._held) + data
            self._held.clear()
        self._writer.write(data)
        await self._writer.drain()

    def _may_be_withdrawn(self, kind: int) -> bool:
        """PostgreSQL sends nothing of a FETCH that fails, and psqlODBC crashes on rows followed by an error: so a FETCH that may
        yet end in an ordered lock error is held back until its outcome is known."""
        stream = self._session.current
        if kind != ord("T") or not stream.cursor:
            return False
        fault = self._context.faults.next_event(stream.tables, stream.locks)
        return fault is not None and fault.kind is FaultKind.LOCK

    def _answer(self, raw: bytes) -> bytes | None:
        """Books one message of the server; what to send in its place, None = itself."""
        session, kind = self._session, raw[:1]
        if kind == b"T":
            described = wire.describe(raw, partial(self._context.translator.field, session.current))
            session.finish("describe")
            return described
        if kind in (b"C", b"I", b"s"):
            self._holding = False
            session.finish("result")
        elif kind == b"1":
            session.finish("parse")
        elif kind == b"n":
            session.finish("describe")
        elif kind == b"Z":
            session.finish("sync")
        elif kind == b"E":
            return self._error(raw)
        return None

    def _error(self, raw: bytes) -> bytes:
        tables = self._session.current.tables
        meant = self._session.fail()
        return (meant or self._context.translator.error(WireError.unpack(raw), tables)).pack()

    # faults -------------------------------------------------------------------------------------------------------

    async def _strike(self, fault: Fault) -> None:
        fault.fired += 1
        if fault.kind is FaultKind.STALL:
            await asyncio.Event().wait()
        if fault.kind is FaultKind.LOCK:
            await self._lock_error()
            return
        if fault.kind is FaultKind.CUT:
            link: socket.socket = self._writer.get_extra_info("socket")
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends RST
            self._writer.transport.abort()
        raise LinkClosed

    async def _lock_error(self) -> None:
        await self._context.sleep(self._context.lock_wait_seconds)
        self._holding = False
        self._held.clear()
        table = min(self._session.current.tables)
        await self._send(self._context.translator.lock_error(table).pack())
        self._session.discarding = True

    def _after_lock_error(self, data: bytes) -> bytes:
        """Drops the rest of the failed statement up to its ReadyForQuery, which then reports a failed transaction."""
        pos = 0
        while pos < len(data):
            end = pos + wire.size_at(data, pos)
            if data[pos] == ord("Z"):
                self._session.discarding = False
                status = data[pos + 5 : pos + 6]
                return wire.message(b"Z", b"E" if status == b"T" else status) + data[end:]
            pos = end
        return b""
