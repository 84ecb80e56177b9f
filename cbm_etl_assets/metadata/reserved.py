"""Reserved words of the warehouses. Every generated statement quotes its names; this is for people who write queries.

Sources: DuckDB `duckdb_keywords()` category reserved, PostgreSQL appendix C (reserved), Transact-SQL reserved keywords.
"""

from __future__ import annotations

_SHARED = """
all and any as asc both case check collate column constraint create cross current_date current_time current_timestamp
current_user default desc distinct else end except fetch for foreign from full grant group having in inner intersect into
is join left like not null on or order outer primary references right select session_user some table then to union unique
user using when where with
"""
_DUCKDB = """
all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default deferrable
desc describe distinct do else end except false fetch for foreign from group having in initially intersect into lambda lateral
leading limit not null offset on only or order pivot pivot_longer pivot_wider placing primary qualify references returning
select show some summarize symmetric table then to trailing true union unique unpivot using variadic when where window with
"""
_POSTGRES = """
analyse analyze array asymmetric authorization binary cast collation concurrently current_catalog current_role current_schema
deferrable do false freeze ilike initially isnull lateral leading limit localtime localtimestamp natural notnull offset only
overlaps placing returning similar symmetric system_user tablesample trailing true variadic verbose window
"""
_TSQL = """
add alter authorization backup begin between break browse bulk by cascade checkpoint close clustered coalesce commit compute
contains containstable continue convert current cursor database dbcc deallocate declare delete deny disk distributed double drop
dump errlvl escape exec execute exists exit external file fillfactor freetext freetexttable function goto holdlock identity
identity_insert identitycol if index insert key kill lineno load merge national nocheck nonclustered nullif of off offsets open
opendatasource openquery openrowset openxml option over percent pivot plan precision print proc procedure public raiserror read
readtext reconfigure replication restore restrict return revert revoke rollback rowcount rowguidcol rule save schema
securityaudit set setuser shutdown statistics system_user tablesample textsize top tran transaction trigger truncate try_convert
tsequal unpivot update updatetext use values varying view waitfor while within writetext
"""
RESERVED: dict[str, frozenset[str]] = {
    "DuckDB": frozenset(_DUCKDB.split()),
    "PostgreSQL": frozenset(_SHARED.split()) | frozenset(_POSTGRES.split()),
    "SQL Server": frozenset(_SHARED.split()) | frozenset(_TSQL.split()),
}
_ANY = frozenset().union(*RESERVED.values())


def reserved_in(name: str) -> tuple[str, ...]:
    """The warehouses that reserve the word: reserved_in('Order') -> ('DuckDB', 'PostgreSQL', 'SQL Server')."""
    word = name.lower()
    return tuple(engine for engine, words in RESERVED.items() if word in words) if word in _ANY else ()
