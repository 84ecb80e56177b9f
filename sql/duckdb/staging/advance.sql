UPDATE stg._cbm_state
SET
    last_applied_seq = greatest(last_applied_seq, $seq),
    last_full_seq = CASE WHEN $is_complete THEN greatest(last_full_seq, $seq) ELSE last_full_seq END,
    watermark = CASE
        WHEN $watermark::TIMESTAMP IS NULL THEN watermark
        WHEN watermark IS NULL THEN $watermark::TIMESTAMP
        ELSE greatest(watermark, $watermark::TIMESTAMP)
    END,
    hash_columns = $hash_columns,
    updated_at = $now
WHERE table_name = $table;
