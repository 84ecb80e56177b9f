"""Start, stop and look at a twin: PostgreSQL, the proxy's background process, and the state that names both.

Owns `HOME/twin/`: state.json (ports and the generated password, readable by its owner only), logs, data. Knows nothing of what
the tables hold.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import psycopg
from psycopg import sql

from cbm_etl_assets.errors import BusyError, ConfigurationError
from cbm_etl_assets.reliability.process import pid_alive, process_owner
from cbm_etl_assets.twin import postgres, store
from cbm_etl_assets.twin.daemon import CONFIG_FILE, READY_FILE, DaemonConfig
from cbm_etl_assets.twin.handle import REPLICA, TwinHandle

STATE_FILE = "state.json"
_START_SECONDS, _STOP_SECONDS = 30.0, 10.0
Sleep = Callable[[float], None]
# Children are kept: a Popen that is forgotten while its process runs warns, and a stopped one stays a zombie until collected.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def start(
    home: Path, *, zone: str = "Europe/Paris", lock_wait_seconds: float = 5.0, owned: bool = False, sleep: Sleep = time.sleep
) -> TwinHandle:
    """Starts the twin kept in `home`/twin, creating it the first time.

    `owned`: a throw-away twin. When the calling process dies without `stop`, it is stopped and its data removed.
    Raises: BusyError when it already runs, MissingDependencyError without a PostgreSQL.
    """
    folder = twin_folder(home)
    if (running := status(home)) is not None:
        raise BusyError(f"The twin of {folder} is already running on port {running.port}.", remedy="cbm-etl twin stop, or use it as it is")
    folder.mkdir(parents=True, exist_ok=True)
    before = _read_state(folder)
    secret = before.secret if before else secrets.token_urlsafe(18)
    cluster = postgres.locate(folder)
    postgres.stop(cluster)  # left by a killed proxy
    fresh = postgres.initialise(cluster, secret)
    pg_port = postgres.start(cluster)
    try:
        _prepare(pg_port, secret, zone, fresh, lock_wait_seconds)
        owner = process_owner() if owned else ""
        config = DaemonConfig(pg_port, before.port if before else 0, secret, lock_wait_seconds, owner)
        ports = _launch(folder, config, sleep)
    except BaseException:
        postgres.stop(cluster)
        raise
    handle = TwinHandle(home=folder, pg_port=pg_port, secret=secret, zone=zone, **ports)
    _write_private(folder / STATE_FILE, json.dumps(handle.to_json(), indent=2))
    return handle


def status(home: Path) -> TwinHandle | None:
    """The running twin of `home`, None when there is none."""
    handle = _read_state(twin_folder(home))
    if handle is None or not pid_alive(handle.daemon_pid):
        return None
    try:
        handle.ask("status")
    except ConfigurationError:
        return None  # another process has the number of the dead proxy
    return handle


def stop(home: Path, *, sleep: Sleep = time.sleep) -> bool:
    """Stops the proxy and PostgreSQL; False when nothing ran. No process is left."""
    folder = twin_folder(home)
    handle = status(home)
    if handle is not None:
        handle.ask("stop")
        if not _wait(lambda: not pid_alive(handle.daemon_pid), _STOP_SECONDS, sleep):
            os.kill(handle.daemon_pid, signal.SIGKILL)
        if (child := _CHILDREN.pop(handle.daemon_pid, None)) is not None:
            child.wait(_STOP_SECONDS)
    if not folder.exists():
        return False
    (folder / READY_FILE).unlink(missing_ok=True)
    return postgres.stop(postgres.locate(folder)) or handle is not None


def destroy(home: Path) -> None:
    """Stops the twin and removes its data, its log and its state."""
    stop(home)
    folder = twin_folder(home)
    if not folder.exists():
        return
    postgres.destroy(postgres.locate(folder))
    for name in (STATE_FILE, CONFIG_FILE, READY_FILE, "statements.jsonl", "proxy.log"):
        (folder / name).unlink(missing_ok=True)


def connection_string(handle: TwinHandle) -> str:
    """The ODBC string of the OpenEdge-like source. Holds a password: never log it."""
    return handle.odbc


def twin_folder(home: Path) -> Path:
    return home.resolve() / "twin"


def _prepare(pg_port: int, secret: str, zone: str, fresh: bool, lock_wait_seconds: float) -> None:
    login = {"host": "127.0.0.1", "port": pg_port, "user": postgres.SUPERUSER, "password": secret, "autocommit": True}
    with psycopg.connect(dbname="postgres", **login) as conn:  # type: ignore[arg-type]
        if fresh:
            conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(postgres.DATABASE)))
            conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(REPLICA), sql.Literal(secret)))
    with psycopg.connect(dbname=postgres.DATABASE, **login) as conn:  # type: ignore[arg-type]
        store.bootstrap(conn, zone)
        store.grant(conn, REPLICA)
        wait = sql.Literal(f"{int(lock_wait_seconds * 1000)}ms")
        conn.execute(sql.SQL("ALTER ROLE {} SET lock_timeout = {}").format(sql.Identifier(REPLICA), wait))


def _launch(folder: Path, config: DaemonConfig, sleep: Sleep) -> dict[str, int]:
    """Starts the daemon detached and waits until it listens; its ports and pid."""
    ready = folder / READY_FILE
    ready.unlink(missing_ok=True)
    (folder / "statements.jsonl").unlink(missing_ok=True)
    _write_private(folder / CONFIG_FILE, json.dumps(asdict(config)))
    with (folder / "proxy.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cbm_etl_assets.twin.daemon", str(folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
    if not _wait(lambda: ready.exists() or process.poll() is not None, _START_SECONDS, sleep) or not ready.exists():
        process.kill()
        process.wait(_STOP_SECONDS)
        raise ConfigurationError(f"The twin's proxy did not start: {(folder / 'proxy.log').read_text(errors='replace')[-600:]}")
    _CHILDREN[process.pid] = process
    ports: dict[str, int] = json.loads(ready.read_text(encoding="utf-8"))
    return ports


def _wait(condition: Callable[[], bool], seconds: float, sleep: Sleep) -> bool:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return True
        sleep(0.02)
    return condition()


def _read_state(folder: Path) -> TwinHandle | None:
    path = folder / STATE_FILE
    if not path.exists():
        return None
    try:
        return TwinHandle.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", remedy="remove the folder and start the twin again") from error


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
