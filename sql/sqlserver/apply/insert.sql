    INSERT INTO {{ target }} (
        {{ columns }}, _key_hash, _hashdiff, _hash_version, _load_seq, _extracted_at, _updated_at, _run_id, _is_deleted, _deleted_at
    )
    SELECT {{ columns.of_s }}, s._key_hash, s._hashdiff, @hash_version, @seq, @t0, @now, @run_id, 0, NULL
    FROM {{ staging }} AS s INNER JOIN #cbm_changes AS c ON c._key_hash = s._key_hash
    WHERE c.outcome = 'I';
    SET @touched = ROWCOUNT_BIG();
    IF @touched <> @inserted THROW 51003, N'rows inserted and rows to insert differ', 1;
