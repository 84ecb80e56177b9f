-- Rows about to be deleted from staging must lie in a table: a view over raw files cannot lose any.
CREATE TABLE {{ copy }} AS SELECT {{ columns }}, _key_hash, _hashdiff FROM {{ staging }};
DROP VIEW {{ staging }};
ALTER TABLE {{ copy }} RENAME TO {{ renamed }};
