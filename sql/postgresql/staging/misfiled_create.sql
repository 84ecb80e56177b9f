CREATE TEMP TABLE _cbm_misfiled ({{ keys.definitions }}, _key_hash bytea NOT NULL) ON COMMIT DROP;
