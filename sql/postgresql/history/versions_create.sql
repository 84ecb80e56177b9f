CREATE TEMP TABLE _cbm_versions (_key_hash bytea NOT NULL, _valid_from timestamp NOT NULL) ON COMMIT DROP;
