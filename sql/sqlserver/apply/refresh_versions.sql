    -- Columns or hashes taken over anew, content unchanged: the open version takes them on, no version is added.
    UPDATE h
    SET {{ assignments }}, _hashdiff = s._hashdiff, _hash_version = @hash_version
    FROM {{ history }} AS h
    INNER JOIN {{ staging }} AS s ON s._key_hash = h._key_hash
    INNER JOIN #cbm_changes AS c ON c._key_hash = h._key_hash
    WHERE h._valid_to IS NULL AND c.outcome = 'F';
