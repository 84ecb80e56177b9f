UPDATE stg._cbm_state
SET
    last_applied_seq = greatest(last_applied_seq, $seq),
    last_full_seq = CASE WHEN $is_complete THEN greatest(last_full_seq, $seq) ELSE last_full_seq END,
    watermark = CASE
        WHEN $watermark::TIMESTAMP IS NULL THEN watermark
        WHEN watermark IS NULL THEN $watermark::TIMESTAMP
        ELSE greatest(watermark, $watermark::TIMESTAMP)
    END,
    hash_columns = CASE WHEN $takes_columns OR len(hash_columns) = 0 THEN $hash_columns ELSE hash_columns END,
    updated_at = $now
WHERE table_name = $table;
