-- Columns or hashes taken over anew, content unchanged: the open version takes them on, no version is added.
CREATE OR REPLACE TEMP TABLE _cbm_refreshed AS
SELECT {{ columns.of_s }}, s._key_hash, s._hashdiff, h._load_seq, h._extracted_at, h._run_id, h._valid_from
FROM {{ history }} AS h
INNER JOIN {{ staging }} AS s ON s._key_hash = h._key_hash
INNER JOIN _cbm_changes AS c ON c.staged = s.rowid
WHERE h._valid_to IS NULL AND c.outcome = 'refreshed';
