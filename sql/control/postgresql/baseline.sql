-- Names are unquoted, so PostgreSQL folds them and `SELECT * FROM etl.vw_LastRuns` is the same text as on SQLite.
CREATE SCHEMA IF NOT EXISTS etl;
CREATE SCHEMA IF NOT EXISTS config;
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
