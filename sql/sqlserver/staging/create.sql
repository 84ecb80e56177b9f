-- A heap, committed: the bulk load comes through a connection of its own and sees no open transaction.
CREATE TABLE {{ staging }} (
    {{ definitions }},
    _key_hash binary(32) NOT NULL,
    _hashdiff binary(32) NOT NULL
);
