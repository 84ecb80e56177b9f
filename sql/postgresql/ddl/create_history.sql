CREATE TABLE {{ target }} (
    {{ columns.definitions }},
    _key_hash bytea NOT NULL,
    _hashdiff bytea NOT NULL,
    _hash_version smallint NOT NULL,
    _load_seq bigint NOT NULL,
    _extracted_at timestamp NOT NULL,
    _run_id text NOT NULL,
    _valid_from timestamp NOT NULL,
    _valid_to timestamp
);
