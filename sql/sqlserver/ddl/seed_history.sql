-- Live rows loaded before history was switched on: their first version starts where they say, or where they were read.
INSERT INTO {{ history }} (
    {{ columns }}, _key_hash, _hashdiff, _hash_version, _load_seq, _extracted_at, _run_id, _valid_from, _valid_to
)
SELECT {{ columns.of_s }}, s._key_hash, s._hashdiff, s._hash_version, s._load_seq, s._extracted_at, s._run_id,
    CASE WHEN {{ cursor }} < s._extracted_at THEN {{ cursor }} ELSE s._extracted_at END, NULL
FROM {{ target }} AS s
WHERE s._is_deleted = 0;
