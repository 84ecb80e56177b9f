    -- One row a key: the live one before a tombstone. The unique index allows no other; it may have been dropped.
    WITH ranked AS (
        SELECT ROW_NUMBER() OVER (PARTITION BY _key_hash ORDER BY _is_deleted, _load_seq DESC) AS nth FROM {{ target }}
    )
    DELETE FROM ranked WHERE nth > 1;
