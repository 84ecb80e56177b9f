-- Rows whose `_key_hash` is not the one of their key, as a verification found them.
DELETE FROM {{ target }} AS o
USING _cbm_misfiled AS m
WHERE m._key_hash = o._key_hash AND {{ same }};
