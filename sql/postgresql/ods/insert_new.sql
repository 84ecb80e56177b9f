INSERT INTO {{ target }} (
    {{ columns }}, _key_hash, _hashdiff, _hash_version, _load_seq, _extracted_at, _updated_at, _run_id, _is_deleted, _deleted_at
)
SELECT
    {{ columns.of_s }}, s._key_hash, s._hashdiff,
    $hash_version::smallint, $seq::bigint, $t0::timestamp, $now::timestamp, $run_id::text, FALSE, NULL
FROM {{ staging }} AS s
INNER JOIN _cbm_changes AS c ON c._key_hash = s._key_hash
WHERE c.outcome = 'inserted';
