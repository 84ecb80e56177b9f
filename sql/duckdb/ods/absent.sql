-- Live rows no staged row speaks of and no later load wrote: candidates for deletion, to be confirmed by a key probe.
SELECT {{ keys }} o._key_hash
FROM {{ target }} AS o
WHERE NOT o._is_deleted AND o._load_seq < $seq AND o._key_hash NOT IN (SELECT s._key_hash FROM {{ staging }} AS s);
