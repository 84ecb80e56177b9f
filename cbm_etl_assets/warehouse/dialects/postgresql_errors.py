"""What a PostgreSQL server or libpq said -> a typed error with a remedy.

Owns the classification by SQLSTATE, and by words where libpq gives none (a connection that fails has no SQLSTATE). Pure.
No message repeats the connection string.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cbm_etl_assets.errors import CbmError, ConversionError, DamagedWarehouseError, TransientWarehouseError, WarehouseError
from cbm_etl_assets.reliability.redact import redact

# Serialization failure, deadlock, lock time-out, a key a concurrent writer was quicker with, cancelled, shutting down or
# starting up, too many connections: a fresh transaction may succeed.
_TRANSIENT = frozenset({"40001", "40P01", "55P03", "23505", "57014", "57P01", "57P02", "57P03", "57P05", "53300", "25P03"})
_LOST = re.compile(
    r"connection refused|could not translate|timeout expired|timed out|server closed the connection|no connection to the server"
    r"|connection reset|network is unreachable|no route to host|connection not open|terminating connection|broken pipe"
    r"|starting up|shutting down|too many clients|recovery mode|remaining connection slots|terminated abnormally",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"authentication failed|no pg_hba\.conf entry|no password supplied|role \"[^\"]*\" does not exist", re.IGNORECASE)
_DATABASE = re.compile(r"database \"([^\"]*)\" does not exist", re.IGNORECASE)
_TLS = re.compile(r"certificate|\bssl\b|\btls\b", re.IGNORECASE)
_COPY_ROW = re.compile(r"COPY [^,]+, \S+ (\d+), \S+ (\S+)")
_PREFIX = re.compile(r"^[A-Z_]+: (\[libpq\] )?")
_LIMIT_CHARS = 400


@dataclass(frozen=True)
class Diagnosis:
    """One error taken apart. `text` is the server's own first line where it gave one."""

    state: str
    text: str
    whole: str
    details: Mapping[str, str] = field(default_factory=dict)


def diagnose(error: Exception) -> Diagnosis:
    details = {_text(key).removeprefix("PG_DIAG_"): _text(value) for key, value in getattr(error, "details", None) or ()}
    whole = redact(str(error)).strip()
    text = details.get("MESSAGE_PRIMARY") or _PREFIX.sub("", whole).split("\n\nQuery was")[0]
    detail = details.get("MESSAGE_DETAIL", "")
    said = " ".join(f"{text} {detail}".split())[:_LIMIT_CHARS]
    return Diagnosis(str(getattr(error, "sqlstate", None) or ""), said, whole, details)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def connecting(error: Exception) -> CbmError:
    """Why there is no connection."""
    found = diagnose(error)
    if database := _DATABASE.search(found.whole):
        return WarehouseError(
            f"The warehouse server has no database '{database[1]}'.",
            remedy="create it, or correct the database in CBM_WAREHOUSE__CONNECTION_STRING",
        )
    if _LOGIN.search(found.whole):
        return WarehouseError(f"The warehouse refused the login: {_said(found)}", remedy="check user and password in "
                              "CBM_WAREHOUSE__CONNECTION_STRING, and pg_hba.conf of the server")  # fmt: skip
    if _TLS.search(found.whole):
        return WarehouseError(
            f"No encrypted connection to the warehouse: {_said(found)}",
            remedy="check the server's certificate, and sslmode and sslrootcert in CBM_WAREHOUSE__CONNECTION_STRING",
        )
    if _LOST.search(found.whole):
        return TransientWarehouseError(
            f"The warehouse does not answer: {_said(found)}", remedy="check that the server runs and that its host and port are right"
        )
    if "FATAL" in found.whole:
        return WarehouseError(f"The warehouse refused the connection: {_said(found)}", remedy="see the server's log")
    # libpq repeats what it cannot parse, and that may be a password.
    return WarehouseError(
        "CBM_WAREHOUSE__CONNECTION_STRING is no connection string libpq understands.",
        remedy="write postgresql://user:password@host:5432/database?sslmode=require",
    )


def explain(error: Exception, *, table: str = "", waited_seconds: float = 0) -> CbmError:
    """Why a statement failed. `table` is the one being loaded."""
    found = diagnose(error)
    where = f"Table '{table}': " if table else ""
    if found.state == "55P03":
        return TransientWarehouseError(
            f"{where}another session kept it locked for {waited_seconds:g} s.",
            remedy="see pg_stat_activity and pg_locks for who holds it, or raise CBM_WAREHOUSE__LOCK_WAIT_SECONDS",
        )
    if found.state in _TRANSIENT or (found.state.startswith("08") and found.state != "08P01"):
        return TransientWarehouseError(f"{where}PostgreSQL {found.state}: {found.text}")
    if not found.state and _LOST.search(found.whole):
        return TransientWarehouseError(f"{where}the connection to the warehouse was lost: {_said(found)}")
    return _final(found, where)


def _final(found: Diagnosis, where: str) -> CbmError:
    place = _place(found)
    match found.state:
        case "53100":
            return WarehouseError(f"{where}the disk of the warehouse is full; the load was rolled back.", remedy="free space and run again")
        case "42501":
            return WarehouseError(f"{where}the warehouse login lacks a right: {found.text}", remedy="see sql/postgresql/grants")
        case "22021" | "22P05":
            return ConversionError(f"{where}a character that PostgreSQL cannot store{place}: {found.text}", remedy="clean it at the source")
        case "22001" | "22003" | "22008" | "23502" | "22P02":
            return ConversionError(f"{where}a value does not fit{place}: {found.text}", remedy="correct the column's type in the spec")
        case "54000" | "54011":
            return WarehouseError(
                f"{where}past a limit of PostgreSQL: {found.text}. A row must fit into 8 kB, long texts set aside, and a table has at most "
                "1,600 columns.",
                remedy="mark columns nobody needs with `exclude: true`, or declare two tables",
            )
        case "XX001" | "XX002":
            return DamagedWarehouseError(f"{where}the warehouse is damaged: {found.text}", remedy="restore it from a backup")
        case "25006":
            return WarehouseError(
                f"{where}the warehouse only reads: {found.text}", remedy="connect to the primary server, not to a standby"
            )
        case _:
            return WarehouseError(f"{where}PostgreSQL {found.state}: {found.text}".replace("PostgreSQL :", "PostgreSQL:"))


def _place(found: Diagnosis) -> str:
    column = found.details.get("COLUMN_NAME", "")
    if at := _COPY_ROW.search(found.whole):
        return f" (column '{at[2]}', row {at[1]} of the load)"
    return f" (column '{column}')" if column else ""


def refused_query(error: Exception) -> WarehouseError | TransientWarehouseError:
    """A person's statement. The remedy follows the error: a misspelt table is no attempt to write."""
    found = diagnose(error)
    known = explain(error)
    if isinstance(known, TransientWarehouseError):
        return known
    if found.state in ("42P01", "3F000"):
        remedy = "check the name, with its schema (ods.client); mixed case needs double quotes"
    elif found.state == "25006":
        remedy = "only reading statements are allowed here"
    else:
        remedy = "check the statement and the values it converts; names in mixed case need double quotes"
    return WarehouseError(f"The warehouse refused the query: {found.text}", remedy=remedy)


def _said(found: Diagnosis) -> str:
    return found.text.rstrip(".") + "."
