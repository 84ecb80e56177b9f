INSERT INTO stg._cbm_state AS state (
    table_name, last_issued_seq, last_applied_seq, last_full_seq, watermark, fencing_token, hash_columns, updated_at
)
VALUES ($table::text, 1, 0, 0, NULL, 1, '{}', $now::timestamp)
ON CONFLICT (table_name) DO UPDATE SET
    last_issued_seq = state.last_issued_seq + 1,
    fencing_token = state.fencing_token + 1,
    updated_at = excluded.updated_at;
