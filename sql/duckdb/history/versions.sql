-- One row a new version; validity starts at max(min(c, t0), previous bound + 1 microsecond).
CREATE OR REPLACE TEMP TABLE _cbm_versions AS
SELECT
    s.rowid AS staged,
    s._key_hash,
    greatest(least(coalesce({{ cursor }}, $t0::TIMESTAMP), $t0::TIMESTAMP), b.last_bound + INTERVAL 1 MICROSECOND) AS _valid_from
FROM _cbm_changes AS c
INNER JOIN {{ staging }} AS s ON s.rowid = c.staged
LEFT JOIN (
    SELECT _key_hash, max(coalesce(_valid_to, _valid_from)) AS last_bound FROM {{ history }} GROUP BY _key_hash
) AS b ON b._key_hash = s._key_hash
WHERE c.outcome IN ('inserted', 'updated', 'resurrected');
