-- Made anew: the key's columns or types may be others than those of the load before.
CREATE OR REPLACE TABLE {{ recheck }} (
    {{ keys.definitions }},
    _key_hash BLOB NOT NULL
);
