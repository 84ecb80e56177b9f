"""What a driver or server said -> a typed error: retry it, fix the source, fix the spec, or install something.

Owns the classification: message AND SQLSTATE AND native code, because psqlODBC gives native code 1 for everything, OpenEdge
gives one SQLSTATE for many things, and a French server writes words, with no-break spaces, where others write codes.
Pure. Texts of others are redacted before they enter a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from cbm_etl_assets.errors import (
    CbmError,
    ConversionError,
    MissingDependencyError,
    RecordLockError,
    SourceError,
    SourceSchemaError,
    SqlWidthError,
    TextTooLongError,
    TransientSourceError,
)
from cbm_etl_assets.reliability.redact import redact

_ARROW_ODBC = re.compile(r"State:\s*(\w{5}),\s*Native error:\s*(-?\d+),\s*Message:\s*(.*)", re.DOTALL)
_PYODBC = re.compile(r"^\(?'?\[?(\w{5})\]?\W")
_PYODBC_NATIVE = re.compile(r"\((-?\d+)\)\s*\(SQL\w+\)")
_NATIVE_IN_TEXT = re.compile(r"(?<!\d)(-\d{5,6})(?!\d)")
_SPACES = re.compile(r"[\u00a0\u202f\u2007\u2009 ]+")
_WIDTH = re.compile(r"column\s+\"?([^\s\"]+)\"?\s+in\s+table\s+\"?([^\s\"]+?)\"?\s+has\s+value\s+exceeding", re.IGNORECASE)
_TOO_LARGE = re.compile(r"too large to be written into the allocated buffer|string data,? right truncat", re.IGNORECASE)
_MESSAGE_CHARS = 600


@dataclass(frozen=True)
class Diagnosis:
    """One driver error taken apart."""

    state: str
    native: int
    text: str

    @property
    def lower(self) -> str:
        return self.text.lower()


def diagnose(message: str) -> Diagnosis:
    """SQLSTATE, native code and words of an error text of arrow-odbc or pyodbc; blanks of every kind become plain ones."""
    plain = redact(_SPACES.sub(" ", message)).strip()
    if found := _ARROW_ODBC.search(plain):
        return Diagnosis(found[1].upper(), _native(found[3], int(found[2])), _shorten(found[3]))
    state = _PYODBC.match(plain)
    native = _PYODBC_NATIVE.search(plain)
    return Diagnosis(state[1].upper() if state else "", _native(plain, int(native[1]) if native else 0), _shorten(plain))


def is_truncation(message: str) -> bool:
    """A value did not fit the reader's buffer: read again with a larger one, never accept the cut value."""
    return bool(_TOO_LARGE.search(message))


def classify(message: str, *, table: str = "", columns: tuple[str, ...] = ()) -> CbmError:
    """The typed error of a driver's message. `columns` are those the spec names, for the message of an unknown one."""
    found = diagnose(message)
    where = f"Table '{table}': " if table else "Source: "
    for matches, build in _RULES:
        if matches(found):
            return build(found, where, columns)
    return SourceError(f"{where}the source refused the read: {_quoted(found)}", remedy="run cbm-etl preflight for this table")


def _native(text: str, given: int) -> int:
    """OpenEdge puts its own negative code in the text when a layer between replaced the native code."""
    inside = _NATIVE_IN_TEXT.search(text)
    return int(inside[1]) if inside and given >= -1 else given


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MESSAGE_CHARS else flat[: _MESSAGE_CHARS - 1] + "…"


def _quoted(found: Diagnosis) -> str:
    code = f" [SQLSTATE {found.state}, native {found.native}]" if found.state else ""
    return f"{found.text}{code}"


def _has(*words: str) -> Callable[[Diagnosis], bool]:
    return lambda d: any(w in d.lower for w in words)


def _state(*prefixes: str) -> Callable[[Diagnosis], bool]:
    return lambda d: d.state.startswith(prefixes)


def _code(*natives: int) -> Callable[[Diagnosis], bool]:
    return lambda d: d.native in natives


def _any(*tests: Callable[[Diagnosis], bool]) -> Callable[[Diagnosis], bool]:
    return lambda d: any(t(d) for t in tests)


def _width(found: Diagnosis, where: str, columns: tuple[str, ...]) -> CbmError:
    named = _WIDTH.search(found.text)
    column, table = (named[1].rstrip(".,"), named[2].rstrip(".,")) if named else ("", "")
    known = f"column '{column}' of {table}" if named else "a column"
    return SqlWidthError(
        f"{where}{known} holds a value wider than its SQL width: {_quoted(found)}",
        table=table,
        column=column,
        remedy=f"at the source widen it: dbtool <db>, option 'SQL Width & Date Scan w/Fix Option', table {table or '<table>'}; "
        "or start the server with -SQLWidthUpdate ON (12.2 and later). -SQLTruncateTooLarge would cut values silently: do not",
    )


def _lock(found: Diagnosis, where: str, columns: tuple[str, ...]) -> CbmError:
    return RecordLockError(
        f"{where}another session holds a record lock: {_quoted(found)}",
        remedy="set DefaultIsolationLevel=0 in CBM_SOURCE__CONNECTION_STRING so that the read takes no locks",
    )


def _driver(found: Diagnosis, where: str, columns: tuple[str, ...]) -> CbmError:
    return MissingDependencyError(
        f"The ODBC driver or data source of CBM_SOURCE__CONNECTION_STRING cannot be loaded: {_quoted(found)}",
        remedy="install it (Progress OpenEdge SQL client, or apt-get install odbc-postgresql) or write its absolute path after DRIVER=; "
        "'odbcinst -q -d' lists what is registered",
    )


def _login(found: Diagnosis, where: str, columns: tuple[str, ...]) -> CbmError:
    remedy = "check user, password and database in CBM_SOURCE__CONNECTION_STRING"
    return SourceError(f"{where}the source refused the login: {_quoted(found)}", remedy=remedy)


def _schema(found: Diagnosis, where: str, columns: tuple[str, ...]) -> CbmError:
    asked = f" Columns the spec asks for: {', '.join(columns)}." if columns else ""
    return SourceSchemaError(
        f"{where}a table or column of the spec is not in the source: {_quoted(found)}.{asked}",
        remedy="cbm-etl tables sync shows what the source has; correct the spec",
    )


def _rights(found: Diagnosis, where: str, columns: tuple[str, ...]) -> CbmError:
    remedy = "GRANT SELECT on the table to the replication account"
    return SourceError(f"{where}the account may not read it: {_quoted(found)}", remedy=remedy)


def _too_long(found: Diagnosis, where: str, columns: tuple[str, ...]) -> CbmError:
    return TextTooLongError(f"{where}a value is longer than the reader's buffer: {_quoted(found)}", remedy="raise CBM_SOURCE__TEXT_BYTES")


def _conversion(found: Diagnosis, where: str, columns: tuple[str, ...]) -> CbmError:
    remedy = "correct the column's type in the spec"
    return ConversionError(f"{where}a value does not fit its declared type: {_quoted(found)}", remedy=remedy)


def _transient(found: Diagnosis, where: str, columns: tuple[str, ...]) -> CbmError:
    return TransientSourceError(f"{where}the link to the source failed or was refused for now: {_quoted(found)}")


_Rule = tuple[Callable[[Diagnosis], bool], Callable[[Diagnosis, str, tuple[str, ...]], CbmError]]

# The first match wins: particular before general. Login comes before the link because psqlODBC reports a wrong password
# and an unknown database as 08001, which elsewhere means "nobody answers, try again".
_RULES: tuple[_Rule, ...] = (
    (_any(_state("22P00"), _code(-210012), _has("exceeding its max length or precision", "dépasse sa longueur")), _width),
    (_any(_has("record lock", "lock on a record", "verrou d'enregistrement", "verrouillage"), _code(-210015), _state("55P03")), _lock),
    (
        _any(
            _state("IM00", "01000"),
            _has("can't open lib", "data source name not found", "specified driver could not be loaded", "file not found"),
        ),
        _driver,
    ),
    (_has("too many connection", "too many clients", "remaining connection slots", "maximum number of", "trop de connexions"), _transient),
    (
        _any(
            _state("28"),
            _code(-20228),
            _has("authentication failed", "access denied", "authentification", "role \"", "no pg_hba.conf"),
            lambda d: d.state.startswith("08") and "does not exist" in d.lower,
        ),
        _login,
    ),
    (
        _any(
            _state("08", "HYT", "57P", "53", "40001", "40P01", "57014"),
            _code(-20211, -20212, -210005, -210056),
            _has(
                "communication link", "connection refused", "connection reset", "connection timed out", "server closed the connection",
                "could not connect", "broken pipe", "socket closed", "connection is closed", "not connected", "timeout expired",
                "connexion perdue", "connexion refusée", "délai", "lost connection", "server has crashed", "no connection to the server",
                "ssl error", "eof detected", "could not receive data", "could not send data",
            ),
        ),
        _transient,
    ),
    (
        _any(
            _state("42S02", "42S22", "42P01", "42703", "3F000"),
            _code(-20005, -20006),
            _has("table/view/synonym not found", "column not found", "table/view/synonym \"", "unknown table", "colonne introuvable"),
        ),
        _schema,
    ),
    (_any(_state("42501"), _has("permission denied", "access denied (authorisation", "no select permission")), _rights),
    (lambda d: is_truncation(d.text) or d.state == "22001", _too_long),
    (_any(_state("22", "07006")), _conversion),
)  # fmt: skip
