-- After the load: the merge joins on it several times.
CREATE NONCLUSTERED INDEX ix_key_hash ON {{ staging }} (_key_hash) INCLUDE (_hashdiff);
