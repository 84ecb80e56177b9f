    -- I inserted, S superseded, R resurrected, U updated, F refreshed (the hash was taken over other columns or by another
    -- version, but no value both knew has changed), N unchanged.
    INSERT INTO #cbm_changes (_key_hash, outcome)
    SELECT
        s._key_hash,
        CASE
            WHEN o._key_hash IS NULL THEN 'I'
            WHEN o._load_seq > @seq THEN 'S'
            WHEN o._is_deleted = 1 THEN 'R'
            WHEN {{ differs }} THEN 'U'
            {{ refreshed }}
            ELSE 'N'
        END
    FROM {{ staging }} AS s
    LEFT JOIN {{ target }} AS o ON o._key_hash = s._key_hash;
    SELECT
        @inserted = COUNT_BIG(CASE WHEN outcome = 'I' THEN 1 END),
        @superseded = COUNT_BIG(CASE WHEN outcome = 'S' THEN 1 END),
        @resurrected = COUNT_BIG(CASE WHEN outcome = 'R' THEN 1 END),
        @updated = COUNT_BIG(CASE WHEN outcome = 'U' THEN 1 END),
        @refreshed = COUNT_BIG(CASE WHEN outcome = 'F' THEN 1 END),
        @unchanged = COUNT_BIG(CASE WHEN outcome IN ('F', 'N') THEN 1 END)
    FROM #cbm_changes;
