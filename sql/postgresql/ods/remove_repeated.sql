-- One row a key: the live one before a tombstone, then the first. Repeats need the unique index to be gone.
DELETE FROM {{ target }} AS o
USING (
    SELECT ctid AS row_position, row_number() OVER (PARTITION BY _key_hash ORDER BY _is_deleted, ctid) AS nth FROM {{ target }}
) AS ranked
WHERE o.ctid = ranked.row_position AND ranked.nth > 1;
