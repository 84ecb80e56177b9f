-- The schema of `cbm-etl tables views`: the loader makes the views, readers read them (and need ods no more).
-- Run by an administrator, after warehouse_login.sql and report_login.sql. May be run again.
IF SCHEMA_ID(N'bi') IS NULL EXEC (N'CREATE SCHEMA [bi]');
GO
GRANT CREATE VIEW TO [cbm_etl];
GRANT ALTER, SELECT ON SCHEMA::[bi] TO [cbm_etl];
GRANT SELECT ON SCHEMA::[bi] TO [cbm_report];
GO
