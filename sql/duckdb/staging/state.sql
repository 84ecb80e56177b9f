SELECT table_name, last_issued_seq, last_applied_seq, last_full_seq, watermark, fencing_token, hash_columns
FROM stg._cbm_state
WHERE table_name = $table;
