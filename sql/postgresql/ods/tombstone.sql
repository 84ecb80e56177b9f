UPDATE {{ target }} AS o
SET
    _is_deleted = TRUE,
    _deleted_at = $now::timestamp,
    _updated_at = $now::timestamp,
    _extracted_at = $t0::timestamp,
    _load_seq = $seq::bigint,
    _run_id = $run_id::text
FROM _cbm_gone AS g
WHERE o._key_hash = g._key_hash AND NOT o._is_deleted AND o._load_seq <= $seq::bigint;
