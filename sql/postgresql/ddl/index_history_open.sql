-- The server itself refuses a second open version of a key.
CREATE UNIQUE INDEX ON {{ target }} (_key_hash) WHERE _valid_to IS NULL;
