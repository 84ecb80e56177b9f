UPDATE {{ history }} AS h
SET _valid_to = v._valid_from
FROM _cbm_versions AS v
WHERE h._key_hash = v._key_hash AND h._valid_to IS NULL;
