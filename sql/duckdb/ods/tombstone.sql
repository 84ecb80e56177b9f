UPDATE {{ target }}
SET _is_deleted = TRUE, _deleted_at = $now, _updated_at = $now, _extracted_at = $t0, _load_seq = $seq, _run_id = $run_id
WHERE NOT _is_deleted AND _load_seq <= $seq AND _key_hash IN (SELECT _key_hash FROM {{ gone }});
