CREATE TABLE {{ target }} (
    {{ columns.definitions }},
    _key_hash bytea NOT NULL,
    _hashdiff bytea NOT NULL,
    _hash_version smallint NOT NULL,
    _load_seq bigint NOT NULL,
    _extracted_at timestamp NOT NULL,
    _updated_at timestamp NOT NULL,
    _run_id text NOT NULL,
    _is_deleted boolean NOT NULL,
    _deleted_at timestamp
);
