    UPDATE o
    SET
        {{ assignments }},
        _hashdiff = s._hashdiff, _hash_version = @hash_version, _load_seq = @seq, _extracted_at = @t0, _updated_at = @now,
        _run_id = @run_id, _is_deleted = 0, _deleted_at = NULL
    FROM {{ target }} AS o
    INNER JOIN #cbm_changes AS c ON c._key_hash = o._key_hash
    INNER JOIN {{ staging }} AS s ON s._key_hash = o._key_hash
    WHERE c.outcome IN ('U', 'R', 'F');
    SET @touched = ROWCOUNT_BIG();
    IF @touched <> @updated + @resurrected + @refreshed THROW 51003, N'rows updated and rows to update differ', 1;
