-- One row a key: the live one before a tombstone, then the first.
DELETE FROM {{ target }}
WHERE rowid IN (
    SELECT ranked.row_position
    FROM (
        SELECT rowid AS row_position, row_number() OVER (PARTITION BY _key_hash ORDER BY _is_deleted, rowid) AS nth FROM {{ target }}
    ) AS ranked
    WHERE ranked.nth > 1
);
