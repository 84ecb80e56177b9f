    -- Greatest cursor wins, then a total order over all columns: the row hash, then the key as spelled.
    WITH ranked AS (
        SELECT ROW_NUMBER() OVER (PARTITION BY _key_hash ORDER BY {{ order }}) AS nth FROM {{ staging }}
    )
    DELETE FROM ranked WHERE nth > 1;
    SET @deduplicated = ROWCOUNT_BIG();
