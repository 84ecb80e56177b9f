INSERT INTO {{ target }} (
    {{ columns }}, _key_hash, _hashdiff, _hash_version, _load_seq, _extracted_at, _updated_at, _run_id, _is_deleted, _deleted_at
)
SELECT {{ columns.of_s }}, s._key_hash, s._hashdiff, $hash_version, $seq, $t0, $now, $run_id, FALSE, NULL
FROM {{ staging }} AS s
WHERE s.rowid IN (SELECT staged FROM _cbm_changes WHERE outcome IN ('inserted', 'updated', 'resurrected', 'refreshed'));
