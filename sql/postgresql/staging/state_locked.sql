SELECT table_name, last_issued_seq, last_applied_seq, last_full_seq, watermark, fencing_token, hash_columns, last_outcome
FROM stg._cbm_state
WHERE table_name = $table::text
FOR UPDATE;
