"""The T-SQL of sql/sqlserver as DuckDB understands it: enough of the language for our own statements, no more.

A second opinion on what the statements MEAN, where no SQL Server can be had; what they may SAY is ScriptDom's word.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"N?'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|\"(?:[^\"]|\"\")*\"|--[^\n]*|#\w+|@@?\w+|\?|.", re.DOTALL)
_PLAIN = (
    (r"(?i)\s+COLLATE\s+\w+", ""), (r"(?i)\s+WITH \(UPDLOCK\)", ""), (r"(?i)\bCOUNT_BIG\(", "count("),
    (r"(?i)\bDATALENGTH\(", "strlen("), (r"(?i)\bDATEADD\(MICROSECOND, 1, ", "plus_one_micro("), (r"(?i)\bROWCOUNT_BIG\(\)", "$rowcount"),
)  # fmt: skip
_TYPES = (
    (r"n?varchar(?:\((?:\d+|max)\))?", "VARCHAR"),
    (r"char\(1\)", "VARCHAR"),
    (r"(?:var)?binary\((?:\d+|max)\)", "BLOB"),
    (r"bit", "TINYINT"),
    (r"datetimeoffset\(6\)", "TIMESTAMPTZ"),
    (r"datetime2\(6\)", "TIMESTAMP"),
    (r"float(?:\(53\))?", "DOUBLE"),
    (r"time\(6\)", "TIME"),
)
_NAME = r"(\"(?:[^\"]|\"\")+\"(?:\.\"(?:[^\"]|\"\")+\")?)"
_UPDATE = re.compile(rf"UPDATE (\w+)\s+SET\s+(.*?)\s+FROM {_NAME} AS \1\s+(INNER JOIN .*?)\s+WHERE (.*)", re.DOTALL)
_DELETE = re.compile(rf"DELETE (\w+) FROM {_NAME} AS \1 INNER JOIN {_NAME} AS (\w+) ON (.*)", re.DOTALL)
_RANKED = re.compile(
    rf"WITH ranked AS \(\s*SELECT (ROW_NUMBER\(\).*) AS nth FROM {_NAME}\s*\)\s*DELETE FROM ranked WHERE nth > 1", re.DOTALL
)
_JOIN = re.compile(rf"INNER JOIN {_NAME} AS (\w+) ON (.*?)(?=\s+INNER JOIN|\s*$)", re.DOTALL)


def type_of(spelled: str) -> str:
    for pattern, other in _TYPES:
        if re.fullmatch(pattern, spelled, re.IGNORECASE):
            return other
    return spelled


def translate(text: str) -> str:
    """One statement. Variables become $named parameters; a temporary table keeps its '#' inside the quotes."""
    plain = "".join(_token(token) for token in _TOKEN.findall(text)).strip().rstrip(";").strip()
    for pattern, other in _PLAIN:
        plain = re.sub(pattern, other, plain)
    plain = re.sub(r"(?i)\bAS (n?varchar\(\d+\)|datetime2\(6\)|datetimeoffset\(6\)|binary\(\d+\))", lambda m: f"AS {type_of(m[1])}", plain)
    if top := re.match(r"SELECT TOP \((\d+)\) ", plain):
        plain = f"SELECT {plain[top.end() :]} LIMIT {top[1]}"
    return _modification(plain)


def _modification(plain: str) -> str:
    if found := _RANKED.fullmatch(plain):
        return f"DELETE FROM {found[2]} WHERE rowid IN (SELECT r FROM (SELECT rowid AS r, {found[1]} AS nth FROM {found[2]}) WHERE nth > 1)"
    if found := _DELETE.fullmatch(plain):
        return f"DELETE FROM {found[2]} AS {found[1]} USING {found[3]} AS {found[4]} WHERE {found[5]}"
    if found := _UPDATE.fullmatch(plain):
        joins = _JOIN.findall(found[4])
        sources = ", ".join(f"{table} AS {alias}" for table, alias, _ in joins)
        return f"UPDATE {found[3]} AS {found[1]} SET {found[2]} FROM {sources} WHERE {' AND '.join(on for *_, on in joins)} AND {found[5]}"
    return plain


def _token(token: str) -> str:
    if token.startswith("N'"):
        return token[1:]
    if token.startswith("["):
        return '"' + token[1:-1].replace("]]", "]").replace('"', '""') + '"'
    if token.startswith("--"):
        return ""
    if token.startswith("#"):
        return f'"{token}"'
    return "$rowcount" if token == "@@ROWCOUNT" else "$" + token[1:] if token.startswith("@") else token
