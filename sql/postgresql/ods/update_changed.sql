UPDATE {{ target }} AS o
SET
    {{ assignments }},
    _hashdiff = s._hashdiff,
    _hash_version = $hash_version::smallint,
    _load_seq = $seq::bigint,
    _extracted_at = $t0::timestamp,
    _updated_at = $now::timestamp,
    _run_id = $run_id::text,
    _is_deleted = FALSE,
    _deleted_at = NULL
FROM {{ staging }} AS s
INNER JOIN _cbm_changes AS c ON c._key_hash = s._key_hash
WHERE o._key_hash = s._key_hash AND c.outcome IN ('updated', 'resurrected', 'refreshed');
