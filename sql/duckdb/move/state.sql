-- Numbers are only ever issued upwards, whichever warehouse issued them.
UPDATE stg._cbm_state
SET
    last_issued_seq = greatest(last_issued_seq, $issued),
    last_applied_seq = $applied,
    last_full_seq = $full,
    watermark = $watermark,
    hash_columns = $hash_columns,
    updated_at = $now
WHERE table_name = $table;
