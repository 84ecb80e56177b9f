    UPDATE h
    SET _valid_to = CASE WHEN @t0 > h._valid_from THEN @t0 ELSE DATEADD(MICROSECOND, 1, h._valid_from) END
    FROM {{ history }} AS h
    INNER JOIN #cbm_gone AS g ON g._key_hash = h._key_hash
    INNER JOIN {{ target }} AS o ON o._key_hash = h._key_hash
    WHERE h._valid_to IS NULL AND o._is_deleted = 0 AND o._load_seq <= @seq;
