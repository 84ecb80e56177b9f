CREATE UNIQUE INDEX ON {{ target }} (_key_hash, _valid_from);
