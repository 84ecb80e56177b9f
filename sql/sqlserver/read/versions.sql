SELECT {{ columns }}, _hashdiff, _load_seq, _extracted_at, _run_id, {{ stamps }}
FROM {{ target }}
WHERE _key_hash = ?
ORDER BY {{ order }};
