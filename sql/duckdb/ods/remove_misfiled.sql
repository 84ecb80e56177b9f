-- Rows whose `_key_hash` is not the one of their key, as a verification found them.
DELETE FROM {{ target }} AS o
WHERE o.rowid IN (
    SELECT o.rowid FROM {{ target }} AS o INNER JOIN {{ misfiled }} AS m ON m._key_hash = o._key_hash AND {{ same }}
);
