-- The least a login needs to load into the warehouse. Run by an administrator, in the warehouse's database. May be run again.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'cbm_etl') THEN
        CREATE ROLE cbm_etl LOGIN;
    END IF;
END
$$;
CREATE SCHEMA IF NOT EXISTS stg AUTHORIZATION cbm_etl;
CREATE SCHEMA IF NOT EXISTS ods AUTHORIZATION cbm_etl;
CREATE SCHEMA IF NOT EXISTS marts AUTHORIZATION cbm_etl;
DO $$
BEGIN
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO cbm_etl', current_database());
END
$$;
