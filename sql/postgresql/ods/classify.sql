-- 'refreshed' = the row hash was taken over other columns or by another version, but no value both knew has changed.
INSERT INTO _cbm_changes (_key_hash, outcome)
SELECT found._key_hash, found.outcome
FROM (
    SELECT
        s._key_hash,
        CASE
            WHEN o._key_hash IS NULL THEN 'inserted'
            WHEN o._load_seq > $seq::bigint THEN 'superseded'
            WHEN o._is_deleted THEN 'resurrected'
            WHEN {{ differs }} THEN 'updated'
            {{ refreshed }}
        END AS outcome
    FROM {{ staging }} AS s
    LEFT JOIN {{ target }} AS o ON o._key_hash = s._key_hash
) AS found
WHERE found.outcome IS NOT NULL;
