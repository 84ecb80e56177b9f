-- Names are unquoted, so PostgreSQL folds them and `SELECT * FROM etl.vw_LastRuns` is the same text as on SQLite.
-- Looked for first: CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to do.
DO $$ BEGIN IF to_regnamespace('etl') IS NULL THEN CREATE SCHEMA etl; END IF; END $$;
DO $$ BEGIN IF to_regnamespace('config') IS NULL THEN CREATE SCHEMA config; END IF; END $$;
CREATE TABLE IF NOT EXISTS etl.Schema_Version (
    Version INTEGER PRIMARY KEY,
    Name VARCHAR(200) NOT NULL,
    AppliedUtc TIMESTAMP NOT NULL
);
CREATE TABLE IF NOT EXISTS config.Schema_Version (
    Version INTEGER PRIMARY KEY,
    Name VARCHAR(200) NOT NULL,
    AppliedUtc TIMESTAMP NOT NULL
);
