INSERT INTO stg._cbm_state
VALUES ($table, 1, 0, 0, NULL, 1, [], $now)
ON CONFLICT (table_name) DO UPDATE SET
    last_issued_seq = last_issued_seq + 1,
    fencing_token = fencing_token + 1,
    updated_at = EXCLUDED.updated_at;
