-- Unlogged: a load's rows need no journal. A server that crashes empties the table, which the merge notices by its count.
CREATE UNLOGGED TABLE {{ staging }} (
    {{ columns.definitions }},
    _key_hash bytea NOT NULL,
    _hashdiff bytea NOT NULL
) WITH (autovacuum_enabled = FALSE);
