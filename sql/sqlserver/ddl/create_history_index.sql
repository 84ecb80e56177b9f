CREATE UNIQUE NONCLUSTERED INDEX ux_key_hash_from ON {{ target }} (_key_hash, _valid_from) INCLUDE (_valid_to);
