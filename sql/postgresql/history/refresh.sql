-- Columns or hashes taken over anew, content unchanged: the open version takes them on, no version is added.
UPDATE {{ history }} AS h
SET {{ assignments }}, _hashdiff = s._hashdiff, _hash_version = $hash_version::smallint
FROM {{ staging }} AS s
INNER JOIN _cbm_changes AS c ON c._key_hash = s._key_hash
WHERE h._key_hash = s._key_hash AND h._valid_to IS NULL AND c.outcome = 'refreshed';
