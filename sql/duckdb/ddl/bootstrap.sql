CREATE SCHEMA IF NOT EXISTS stg;
CREATE SCHEMA IF NOT EXISTS ods;
CREATE SCHEMA IF NOT EXISTS marts;
CREATE TABLE IF NOT EXISTS stg._cbm_state (
    table_name VARCHAR PRIMARY KEY,
    last_issued_seq BIGINT NOT NULL,
    last_applied_seq BIGINT NOT NULL,
    last_full_seq BIGINT NOT NULL,
    watermark TIMESTAMP,
    fencing_token BIGINT NOT NULL,
    hash_columns VARCHAR[] NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
