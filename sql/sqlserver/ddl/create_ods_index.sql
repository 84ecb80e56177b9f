-- Narrow and covering: a load finds what changed without touching the wide rows. A random hash would be a bad clustering key.
CREATE UNIQUE NONCLUSTERED INDEX ux_key_hash ON {{ target }} (_key_hash) INCLUDE (_hashdiff, _hash_version, _load_seq, _is_deleted);
