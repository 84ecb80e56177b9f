"""The twin's background process: proxy and control channel on one event loop.

Owns the two listening sockets, the control commands and its own end: on SIGTERM, on the command `stop`, or when the process that
owns the twin has died, in which case it stops PostgreSQL too. Run as `python -m cbm_etl_assets.twin.daemon HOME`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.reliability.process import is_dead
from cbm_etl_assets.twin import postgres
from cbm_etl_assets.twin.faults import FaultBook
from cbm_etl_assets.twin.journal import Journal
from cbm_etl_assets.twin.names import Names
from cbm_etl_assets.twin.proxy import CHUNK, ProxyConnection, ProxyContext
from cbm_etl_assets.twin.session import Session
from cbm_etl_assets.twin.translate import Translator

CONFIG_FILE, READY_FILE = "daemon.json", "ready.json"
_OWNER_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class DaemonConfig:
    """What `twin.server` tells the daemon; `owner` empty = lives until stopped."""

    pg_port: int
    port: int
    secret: str
    lock_wait_seconds: float
    owner: str = ""

    @classmethod
    def read(cls, home: Path) -> DaemonConfig:
        return cls(**json.loads((home / CONFIG_FILE).read_text(encoding="utf-8")))


@dataclass
class Daemon:
    home: Path
    config: DaemonConfig
    context: ProxyContext
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _open: int = 0
    _number: int = 0

    async def serve(self) -> None:
        """Listens until told to end."""
        proxy = await _listen(self._client, self.config.port)
        control = await asyncio.start_server(self._control, "127.0.0.1", 0)
        ports = {"port": proxy.sockets[0].getsockname()[1], "control_port": control.sockets[0].getsockname()[1], "daemon_pid": os.getpid()}
        ready = self.home / (READY_FILE + ".tmp")
        ready.write_text(json.dumps(ports), encoding="utf-8")
        ready.replace(self.home / READY_FILE)
        watch = asyncio.create_task(self._watch_owner())
        await self.ended.wait()
        for task in (watch, *self._tasks):
            task.cancel()
        await asyncio.gather(watch, *self._tasks, return_exceptions=True)
        proxy.close()
        control.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._number += 1
        before, self._open = self._open, self._open + 1
        try:
            await ProxyConnection(self.context, Session(self._number), (reader, writer)).run(before)
        finally:
            self._open -= 1

    async def _control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = self._command(json.loads(await reader.readline()))
        except (CbmError, ValueError, TypeError) as error:
            answer = {"ok": False, "error": str(error)}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    def _command(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("token") != self.config.secret:
            raise ValueError("the control channel wants the twin's token")
        match request.get("command"):
            case "fault":
                self.context.faults.add(request["fault"])
            case "clear":
                self.context.faults.clear()
            case "stop":
                self.ended.set()
            case "status":
                pass
            case other:
                raise ValueError(f"unknown command '{other}'. Known: fault, clear, status, stop")
        return {"ok": True, "connections": self._open, "faults": self.context.faults.standing()}

    async def _watch_owner(self) -> None:
        while self.config.owner:
            await asyncio.sleep(_OWNER_POLL_SECONDS)
            if is_dead(self.config.owner):
                cluster = postgres.locate(self.home)
                await asyncio.to_thread(postgres.stop, cluster)
                await asyncio.to_thread(postgres.destroy, cluster)
                self.ended.set()
                return


async def _listen(client: Any, port: int) -> asyncio.Server:
    try:
        return await asyncio.start_server(client, "127.0.0.1", port, limit=2 * CHUNK)
    except OSError:  # the port of last time has been taken: any free one
        return await asyncio.start_server(client, "127.0.0.1", 0, limit=2 * CHUNK)


async def main(home: Path) -> None:
    config = DaemonConfig.read(home)
    journal = Journal(home / "statements.jsonl", lambda: dt.datetime.now(dt.UTC))
    names = Names(lambda: postgres_connection(config))
    translator = Translator(names, config.lock_wait_seconds)
    context = ProxyContext(config.pg_port, translator, FaultBook(), journal, config.lock_wait_seconds)
    daemon = Daemon(home, config, context)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.ended.set)
    try:
        await daemon.serve()
    finally:
        journal.close()
        names.close()


def postgres_connection(config: DaemonConfig) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host="127.0.0.1", port=config.pg_port, user=postgres.SUPERUSER, password=config.secret, dbname=postgres.DATABASE, autocommit=True
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
