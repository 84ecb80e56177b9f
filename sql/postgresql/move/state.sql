-- Numbers are only ever issued upwards, whichever warehouse issued them.
UPDATE stg._cbm_state
SET
    last_issued_seq = greatest(last_issued_seq, $issued::bigint),
    last_applied_seq = $applied::bigint,
    last_full_seq = $full::bigint,
    watermark = $watermark::timestamp,
    hash_columns = $hash_columns::text [],
    last_outcome = '',
    updated_at = $now::timestamp
WHERE table_name = $table::text;
