CREATE TABLE IF NOT EXISTS {{ target }} (
    {{ columns.definitions }},
    _key_hash BLOB NOT NULL,
    _hashdiff BLOB NOT NULL,
    _hash_version SMALLINT NOT NULL,
    _load_seq BIGINT NOT NULL,
    _extracted_at TIMESTAMP NOT NULL,
    _updated_at TIMESTAMP NOT NULL,
    _run_id VARCHAR NOT NULL,
    _is_deleted BOOLEAN NOT NULL,
    _deleted_at TIMESTAMP
);
