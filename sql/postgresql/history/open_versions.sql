INSERT INTO {{ history }} (
    {{ columns }}, _key_hash, _hashdiff, _hash_version, _load_seq, _extracted_at, _run_id, _valid_from, _valid_to
)
SELECT
    {{ columns.of_s }}, s._key_hash, s._hashdiff,
    $hash_version::smallint, $seq::bigint, $t0::timestamp, $run_id::text, v._valid_from, NULL
FROM {{ staging }} AS s
INNER JOIN _cbm_versions AS v ON v._key_hash = s._key_hash;
