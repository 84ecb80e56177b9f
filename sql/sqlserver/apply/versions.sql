    -- One row a new version; validity starts at max(min(c, t0), previous bound + 1 microsecond).
    INSERT INTO #cbm_versions (_key_hash, _valid_from)
    SELECT
        v._key_hash,
        CASE WHEN b.earliest > v.wanted THEN b.earliest ELSE v.wanted END
    FROM (
        SELECT s._key_hash, CASE WHEN {{ cursor }} < @t0 THEN {{ cursor }} ELSE @t0 END AS wanted
        FROM #cbm_changes AS c
        INNER JOIN {{ staging }} AS s ON s._key_hash = c._key_hash
        WHERE c.outcome IN ('I', 'U', 'R')
    ) AS v
    LEFT JOIN (
        SELECT h._key_hash, DATEADD(MICROSECOND, 1, MAX(COALESCE(h._valid_to, h._valid_from))) AS earliest
        FROM {{ history }} AS h
        INNER JOIN #cbm_changes AS c ON c._key_hash = h._key_hash
        GROUP BY h._key_hash
    ) AS b ON b._key_hash = v._key_hash;
    UPDATE h
    SET _valid_to = v._valid_from
    FROM {{ history }} AS h INNER JOIN #cbm_versions AS v ON v._key_hash = h._key_hash
    WHERE h._valid_to IS NULL;
    INSERT INTO {{ history }} (
        {{ columns }}, _key_hash, _hashdiff, _hash_version, _load_seq, _extracted_at, _run_id, _valid_from, _valid_to
    )
    SELECT {{ columns.of_s }}, s._key_hash, s._hashdiff, @hash_version, @seq, @t0, @run_id, v._valid_from, NULL
    FROM {{ staging }} AS s INNER JOIN #cbm_versions AS v ON v._key_hash = s._key_hash;
    SET @touched = ROWCOUNT_BIG();
    IF @touched <> @inserted + @updated + @resurrected THROW 51003, N'versions opened and rows changed differ', 1;
