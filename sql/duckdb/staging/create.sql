CREATE OR REPLACE TABLE {{ staging }} (
    {{ columns.definitions }},
    _key_hash BLOB NOT NULL,
    _hashdiff BLOB NOT NULL
);
