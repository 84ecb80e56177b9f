    UPDATE o
    SET _is_deleted = 1, _deleted_at = @now, _updated_at = @now, _extracted_at = @t0, _load_seq = @seq, _run_id = @run_id
    FROM {{ target }} AS o INNER JOIN #cbm_gone AS g ON g._key_hash = o._key_hash
    WHERE o._is_deleted = 0 AND o._load_seq <= @seq;
    SET @deleted = ROWCOUNT_BIG();
