CREATE TABLE IF NOT EXISTS {{ history }} (
    {{ columns.definitions }},
    _key_hash BLOB NOT NULL,
    _hashdiff BLOB NOT NULL,
    _hash_version SMALLINT NOT NULL,
    _load_seq BIGINT NOT NULL,
    _extracted_at TIMESTAMP NOT NULL,
    _run_id VARCHAR NOT NULL,
    _valid_from TIMESTAMP NOT NULL,
    _valid_to TIMESTAMP
);
