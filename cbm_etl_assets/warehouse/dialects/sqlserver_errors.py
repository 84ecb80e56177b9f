"""What SQL Server and its driver say, as our errors: by native number, else by SQLSTATE.

Owns which numbers are worth another attempt (on a new connection) and the words and remedy of those that are not. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cbm_etl_assets.errors import (
    AccountingError,
    CbmError,
    ConfigurationError,
    ConversionError,
    LostLockError,
    MissingDependencyError,
    TransientWarehouseError,
    WarehouseError,
)
from cbm_etl_assets.reliability.redact import redact

# Our own, thrown by the batches in sql/sqlserver.
NOT_LOCKED, LOST, NOT_ACCOUNTED, MOVED = 51001, 51002, 51003, 51004
# pyodbc joins the diagnostics of one call; only the first names the function:
# `[42000] [Microsoft]...[SQL Server]Could not be prepared. (8180) (SQLExecDirectW); [42S02] [Microsoft]...Invalid object name 'x'. (208)`
_DIAGNOSTIC = re.compile(r"\[\w{5}\]\s*(.*?)\s*\((-?\d+)\)(?: \(SQL\w+\))?(?=; \[\w{5}\]|\s*$)", re.DOTALL)
# Said beside the error that matters.
_NOISE = frozenset({0, 3621, 8180, 5701, 5703, 3998, 266})
_LINK_STATES = ("08S01", "08001", "08003", "08007", "HYT00", "HYT01", "40001", "40003", "HY008")
_TRANSIENT = frozenset({
    1205, 1222, 3960, 3961, 3966, 1204,  # deadlock, lock time-out, snapshot conflicts, out of locks
    596, 6005, 17142, 18401, 921, 922, 927, 976, 978, 983,  # killed, shutting down, paused, upgrading, recovering, failing over
    701, 802, 8645, 8651, 17803,  # out of memory for now
    64, 121, 233, 258, 10053, 10054, 10060, 10061, 11001, 20, -2,  # the link
    40143, 40197, 40501, 40540, 40613, 49918, 49919, 49920, 4221, 10928, 10929,  # Azure SQL
    NOT_LOCKED, MOVED,
})  # fmt: skip
# Three digits and more: 'error 20' of a library is no number of the server.
_NAMED_NUMBER = re.compile(r"(?i)\b(?:number|error|code|msg)\b\D{0,4}(\d{3,5})\b")
_WAITED = frozenset({1222, NOT_LOCKED})
_DATA_LOSS = re.compile(r"(?i)\b(truncated value|the duplicate key value is)\b.*", re.DOTALL)
_CERTIFICATE = re.compile(r"(?i)certificate|SSL Provider|TLS")
_NO_DRIVER = re.compile(r"(?i)can't open lib|data source name not found|IM002|IM003")


@dataclass(frozen=True)
class _Words:
    what: str
    remedy: str
    kind: type[CbmError] = WarehouseError


_FINAL: dict[int, _Words] = {
    18456: _Words("the login was refused", "check UID, PWD or Authentication in CBM_WAREHOUSE__CONNECTION_STRING"),
    18452: _Words("the login is of an untrusted domain", "use a SQL login or a trusted account"),
    18486: _Words("the login is locked out", "ALTER LOGIN ... WITH PASSWORD = ... UNLOCK"),
    18488: _Words("the password of the login has expired", "change it, then CBM_WAREHOUSE__CONNECTION_STRING"),
    4060: _Words("the database cannot be opened", "check Database= in CBM_WAREHOUSE__CONNECTION_STRING and the login's user in it"),
    916: _Words("the login has no user in the database", "run sql/sqlserver/grants/warehouse_login.sql"),
    229: _Words("a right is missing", "run sql/sqlserver/grants/warehouse_login.sql as an administrator"),
    230: _Words("a right on a column is missing", "run sql/sqlserver/grants/warehouse_login.sql as an administrator"),
    262: _Words("a right in the database is missing", "run sql/sqlserver/grants/warehouse_login.sql as an administrator"),
    1088: _Words("the object is not there, or a right on it is missing", "run sql/sqlserver/grants/warehouse_login.sql"),
    2760: _Words("the schema is not there, or a right on it is missing", "run sql/sqlserver/grants/warehouse_login.sql"),
    15151: _Words("the object is not there, or a right on it is missing", "run sql/sqlserver/grants/warehouse_login.sql"),
    15247: _Words("a right is missing", "run sql/sqlserver/grants/warehouse_login.sql as an administrator"),
    208: _Words("a table is not there", "check the name, with its schema (ods.client); sys.tables lists what is there"),
    207: _Words("a column is not there", "check the statement; sys.columns lists a table's columns"),
    2627: _Words("a key stands twice", "the row is there already: was the table written by something else?"),
    2601: _Words("a key stands twice", "the row is there already: was the table written by something else?"),
    515: _Words("a value is missing where the column wants one", "let the column take NULL, or correct the spec", ConversionError),
    8152: _Words("a text is longer than its column", "widen the column, or the type in the spec", ConversionError),
    2628: _Words("a text is longer than its column", "widen the column, or the type in the spec", ConversionError),
    8115: _Words("a number does not fit its column", "widen the type in the spec", ConversionError),
    511: _Words("a row is larger than the 8,060 bytes SQL Server keeps in one", "exclude columns, or split the table into two targets"),
    1701: _Words("a row would be larger than the 8,060 bytes SQL Server keeps in one", "exclude columns, or split the table"),
    1702: _Words("the table has more than 1,024 columns", "exclude columns, or split the table into two targets"),
    1105: _Words("the data files are full; the load was rolled back", "free space or let the file grow, then run again"),
    1101: _Words("the data files are full; the load was rolled back", "free space or let the file grow, then run again"),
    9002: _Words("the transaction log is full; the load was rolled back", "back the log up or let it grow, then run again"),
    468: _Words("two collations meet in a comparison", "keep CBM_WAREHOUSE__SQLSERVER__KEY_COLLATION as it was when the table was made"),
    102: _Words("the statement is not understood", "check the statement"),
    156: _Words("the statement is not understood", "check the statement"),
    LOST: _Words("another run took the table over", "nothing was written; the other run's result stands", LostLockError),
    NOT_ACCOUNTED: _Words("rows read and rows accounted for differ; rolled back", "", AccountingError),
}


def telling(text: str) -> tuple[int, str]:
    """Number and sentence of the diagnostic that tells most; 0 and the whole text when there is none."""
    found = [(int(number), sentence) for sentence, number in _DIAGNOSTIC.findall(text)]
    known = (one for one in found if one[0] in _TRANSIENT or one[0] in _FINAL)
    loud = (one for one in found if one[0] not in _NOISE)
    return next(known, next(loud, found[0] if found else (0, text)))


def said(sentence: str) -> str:
    """The server's own sentence: no tags, no values out of the data, no secret."""
    plain = re.sub(r"\[(?:\w{5}|Microsoft|unixODBC|Driver Manager|ODBC Driver [^\]]*|SQL Server)\]\s*", "", sentence)
    return redact(_DATA_LOSS.sub("", plain)).strip().rstrip(".") or "no message"


def classify(error: Exception, table: str = "") -> CbmError:
    """A driver's exception as one of ours; `table` is the one being worked on."""
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    state, (number, sentence) = (str(error.args[0]) if error.args else ""), telling(text)
    subject = f"Table '{table}': " if table else ""
    if number in _TRANSIENT:
        return _transient(subject, number, said(sentence))
    if words := _FINAL.get(number):
        return words.kind(f"{subject}{words.what} (SQL Server {number}: {said(sentence)}).", remedy=words.remedy)
    return _by_state(subject, state, number, said(sentence))


def classify_bulk(text: str, table: str) -> CbmError | None:
    """An error of the bulk copy, which carries its number in its words if at all; None where they tell nothing known."""
    for found in _NAMED_NUMBER.findall(text):
        number = int(found)
        if number in _TRANSIENT or number in _FINAL:
            return classify(Exception("42000", f"[42000] {text} ({number})"), table)
    return None


def _transient(subject: str, number: int, sentence: str) -> CbmError:
    remedy = "another session holds the table: sys.dm_tran_locks shows which; CBM_WAREHOUSE__LOCK_WAIT_SECONDS is how long we wait"
    return TransientWarehouseError(f"{subject}SQL Server {number}: {sentence}.", remedy=remedy if number in _WAITED else "")


def _by_state(subject: str, state: str, number: int, sentence: str) -> CbmError:
    if _NO_DRIVER.search(f"{state} {sentence}"):
        return MissingDependencyError(
            f"The ODBC driver of SQL Server is not on this machine: {sentence}.",
            remedy="pip install 'cbm-etl-assets[sqlserver]', or Microsoft's msodbcsql18; or name it: DRIVER={...} in the connection string",
        )
    if state.startswith("08") and _CERTIFICATE.search(sentence):
        return ConfigurationError(
            f"The server's certificate is not accepted: {sentence}.",
            remedy="install its authority on this machine, or renew it; TrustServerCertificate=yes is for tests only",
        )
    if state in _LINK_STATES or state.startswith("08"):
        return TransientWarehouseError(f"{subject}SQL Server does not answer ({state}): {sentence}.")
    if state == "28000":
        return WarehouseError(f"the login was refused: {sentence}.", remedy="check UID and PWD in CBM_WAREHOUSE__CONNECTION_STRING")
    shown = f"SQL Server {number}" if number else f"the driver ({state})"
    return WarehouseError(f"{subject}{shown}: {sentence}.", remedy="check the statement and the values it converts")
