CREATE TABLE {{ target }} (
    {{ definitions }},
    _key_hash binary(32) NOT NULL
);
