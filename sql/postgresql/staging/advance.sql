UPDATE stg._cbm_state
SET
    last_applied_seq = greatest(last_applied_seq, $seq::bigint),
    last_full_seq = CASE WHEN $is_complete::boolean THEN greatest(last_full_seq, $seq::bigint) ELSE last_full_seq END,
    watermark = greatest(watermark, $watermark::timestamp),
    hash_columns = $hash_columns::text [],
    last_outcome = $outcome::text,
    updated_at = $now::timestamp
WHERE table_name = $table::text;
