DELETE FROM {{ history }} WHERE _valid_to IS NULL AND _key_hash IN (SELECT _key_hash FROM _cbm_refreshed);
