CREATE TABLE {{ target }} (
    {{ definitions }},
    _key_hash binary(32) NOT NULL,
    _hashdiff binary(32) NOT NULL,
    _hash_version smallint NOT NULL,
    _load_seq bigint NOT NULL,
    _extracted_at datetime2(6) NOT NULL,
    _updated_at datetime2(6) NOT NULL,
    _run_id nvarchar(200) NOT NULL,
    _is_deleted bit NOT NULL,
    _deleted_at datetime2(6) NULL
){{ storage }};
