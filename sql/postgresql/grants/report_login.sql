-- A login that only reads: Power BI, analysts. Run by an administrator, after warehouse_login.sql. May be run again.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'cbm_report') THEN
        CREATE ROLE cbm_report LOGIN;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA ods, marts TO cbm_report;
GRANT SELECT ON ALL TABLES IN SCHEMA ods, marts TO cbm_report;
ALTER DEFAULT PRIVILEGES FOR ROLE cbm_etl IN SCHEMA ods, marts GRANT SELECT ON TABLES TO cbm_report;
