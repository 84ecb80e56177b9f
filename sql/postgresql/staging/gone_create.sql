CREATE TEMP TABLE _cbm_gone (_key_hash bytea NOT NULL) ON COMMIT DROP;
