-- One row a staged row: where it stands in staging and in ODS, and what becomes of it.
-- 'refreshed' = the row hash was taken over other columns or by another version, but no value both knew has changed.
CREATE OR REPLACE TEMP TABLE _cbm_changes AS
SELECT
    s.rowid AS staged,
    o.rowid AS stored,
    CASE
        WHEN o._key_hash IS NULL THEN 'inserted'
        WHEN o._load_seq > $seq THEN 'superseded'
        WHEN o._is_deleted THEN 'resurrected'
        WHEN {{ differs }} THEN 'updated'
        {{ refreshed }}
        ELSE 'unchanged'
    END AS outcome
FROM {{ staging }} AS s
LEFT JOIN {{ target }} AS o ON o._key_hash = s._key_hash;
