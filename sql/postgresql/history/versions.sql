-- One row a new version; validity starts at max(min(c, t0), previous bound + 1 microsecond).
INSERT INTO _cbm_versions (_key_hash, _valid_from)
SELECT
    s._key_hash,
    greatest(least(coalesce({{ cursor }}, $t0::timestamp), $t0::timestamp), b.last_bound + INTERVAL '1 microsecond')
FROM _cbm_changes AS c
INNER JOIN {{ staging }} AS s ON s._key_hash = c._key_hash
LEFT JOIN (
    SELECT h._key_hash, max(coalesce(h._valid_to, h._valid_from)) AS last_bound
    FROM {{ history }} AS h
    WHERE h._key_hash IN (SELECT _key_hash FROM _cbm_changes)
    GROUP BY h._key_hash
) AS b ON b._key_hash = s._key_hash
WHERE c.outcome IN ('inserted', 'updated', 'resurrected');
