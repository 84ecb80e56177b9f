    -- Rows whose `_key_hash` is not the one of their key, as a verification found them.
    DELETE o FROM {{ target }} AS o INNER JOIN #cbm_misfiled AS m ON m._key_hash = o._key_hash AND {{ same }};
