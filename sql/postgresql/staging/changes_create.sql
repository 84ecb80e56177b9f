-- Staged rows that are not what ODS holds already; the others are counted, not listed.
CREATE TEMP TABLE _cbm_changes (_key_hash bytea NOT NULL, outcome text NOT NULL) ON COMMIT DROP;
