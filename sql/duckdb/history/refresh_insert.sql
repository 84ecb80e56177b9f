INSERT INTO {{ history }} (
    {{ columns }}, _key_hash, _hashdiff, _hash_version, _load_seq, _extracted_at, _run_id, _valid_from, _valid_to
)
SELECT {{ columns }}, _key_hash, _hashdiff, $hash_version, _load_seq, _extracted_at, _run_id, _valid_from, NULL
FROM _cbm_refreshed;
