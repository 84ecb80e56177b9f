CREATE TABLE IF NOT EXISTS stg._cbm_state (
    table_name text PRIMARY KEY,
    last_issued_seq bigint NOT NULL,
    last_applied_seq bigint NOT NULL,
    last_full_seq bigint NOT NULL,
    watermark timestamp,
    fencing_token bigint NOT NULL,
    hash_columns text [] NOT NULL,
    last_outcome text NOT NULL DEFAULT '',
    updated_at timestamp NOT NULL
);
