CREATE TABLE {{ recheck }} (
    {{ keys.definitions }},
    _key_hash bytea NOT NULL
);
