-- Live rows no staged row speaks of and no later load wrote: candidates for deletion, to be confirmed by a key probe.
DECLARE @seq bigint = ?;
SELECT {{ keys }} o._key_hash
FROM {{ target }} AS o
WHERE o._is_deleted = 0 AND o._load_seq < @seq
    AND NOT EXISTS (SELECT 1 FROM {{ staging }} AS s WHERE s._key_hash = o._key_hash);
