-- The schema of `cbm-etl tables views`: the loader makes the views, readers read them (and need ods no more).
-- Run by an administrator, after warehouse_login.sql and report_login.sql. May be run again.
CREATE SCHEMA IF NOT EXISTS bi AUTHORIZATION cbm_etl;
GRANT USAGE ON SCHEMA bi TO cbm_report;
GRANT SELECT ON ALL TABLES IN SCHEMA bi TO cbm_report;
ALTER DEFAULT PRIVILEGES FOR ROLE cbm_etl IN SCHEMA bi GRANT SELECT ON TABLES TO cbm_report;
