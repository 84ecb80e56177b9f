"""TwinHandle: where a running twin is, and what may be asked of it.

Owns the connection strings, the control channel's client side and the statement log's reader. Starting and stopping
are `twin.server`'s.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.twin.postgres import DATABASE, SUPERUSER

if TYPE_CHECKING:
    import psycopg

WAREHOUSE = "warehouse"
REPLICA = "replica"  # the read-only account a replicator is given
# UseDeclareFetch streams; without it psqlODBC buffers the whole result. Texts keep their declared width up to 32 kB, an
# OpenEdge column's limit; what has none (CLOB) is a long type, delivered in parts.
_DRIVER_OPTIONS = "UseDeclareFetch=1;Fetch=1000;BoolsAsChar=0;MaxVarcharSize=32000;MaxLongVarcharSize=1000000;TextAsLongVarchar=1"


@dataclass(frozen=True)
class TwinHandle:
    """A running twin. `port` is the proxy's, the one that behaves as OpenEdge; `pg_port` is the plain server behind it."""

    home: Path
    port: int
    pg_port: int
    control_port: int
    daemon_pid: int
    secret: str = field(repr=False)
    zone: str

    @property
    def odbc(self) -> str:
        """ODBC connection string of the OpenEdge-like source, read-only account. Holds a password: never log it."""
        return odbc_string(self.port, REPLICA, self.secret)

    @property
    def plain_odbc(self) -> str:
        """The same data without the OpenEdge behaviour, for dialect `ansi` and for measuring the proxy."""
        return odbc_string(self.pg_port, REPLICA, self.secret)

    def pg(self, *, autocommit: bool = True) -> psycopg.Connection[Any]:
        """A superuser connection to the plain server: what an application writing to the source would do."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.pg_port, user=SUPERUSER, password=self.secret, dbname=DATABASE, autocommit=autocommit
        )

    @property
    def warehouse_url(self) -> str:
        """A database of its own on the twin's server, for a PostgreSQL warehouse in demos and tests. Holds a password."""
        return f"postgresql://{SUPERUSER}:{quote(self.secret, safe='')}@127.0.0.1:{self.pg_port}/{WAREHOUSE}"

    def create_warehouse(self) -> None:
        """The database of `warehouse_url`, when it is not there."""
        from psycopg import sql

        with self.pg() as conn:
            if conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (WAREHOUSE,)).fetchone() is None:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(WAREHOUSE)))

    def row_counts(self) -> dict[str, int]:
        """Rows of every table of `pub`, views left out."""
        from psycopg import sql

        with self.pg() as conn:
            names = [row[0] for row in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'pub' ORDER BY 1").fetchall()]
            counted = {n: conn.execute(sql.SQL("SELECT count(*) FROM pub.{}").format(sql.Identifier(n))).fetchone() for n in names}
        return {name: row[0] if row else 0 for name, row in counted.items()}

    def set_fault(self, kind: str, table: str | None = None, **options: Any) -> None:
        """Orders a fault: kind cut, fin, stall, lock, refuse, cap or latency; after_rows, times, value, milliseconds, array_size."""
        self.ask("fault", fault={"kind": kind, "table": table, **options})

    def clear_faults(self) -> None:
        self.ask("clear")

    def statements(self, where: Callable[[dict[str, Any]], bool] | None = None) -> list[dict[str, Any]]:
        """Every statement received so far: at, connection, sql, sent, tables, isolation0, nolock, refused, parameters."""
        if not self.log.exists():
            return []
        entries = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [e for e in entries if where is None or where(e)]

    @property
    def log(self) -> Path:
        return self.home / "statements.jsonl"

    def ask(self, command: str, **more: Any) -> dict[str, Any]:
        """One request on the control channel. Raises: ConfigurationError when the twin refuses it or does not answer."""
        request = json.dumps({"token": self.secret, "command": command, **more}) + "\n"
        try:
            with socket.create_connection(("127.0.0.1", self.control_port), timeout=10) as link:
                link.sendall(request.encode())
                answer: dict[str, Any] = json.loads(link.makefile().readline() or "{}")
        except OSError as error:
            raise ConfigurationError(
                f"The twin does not answer on port {self.control_port}: {error}", remedy="cbm-etl twin start"
            ) from error
        if not answer.get("ok"):
            raise ConfigurationError(str(answer.get("error", "the twin closed the control channel")))
        return answer

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"home": str(self.home)}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> TwinHandle:
        return cls(**(state | {"home": Path(state["home"])}))


def odbc_string(port: int, user: str, password: str) -> str:
    from cbm_etl_assets.source.driver import find_driver

    driver = find_driver("psqlodbc")
    return f"DRIVER={{{driver}}};SERVER=127.0.0.1;PORT={port};DATABASE={DATABASE};UID={user};PWD={password};{_DRIVER_OPTIONS}"
