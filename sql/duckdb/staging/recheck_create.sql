CREATE TABLE IF NOT EXISTS {{ recheck }} (
    {{ keys.definitions }},
    _key_hash BLOB NOT NULL
);
