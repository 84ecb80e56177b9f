-- A source on PostgreSQL: the replicating login reads one schema and writes nothing. Replace pub by yours. May be run again.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'cbm_source') THEN
        CREATE ROLE cbm_source LOGIN;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA pub TO cbm_source;
GRANT SELECT ON ALL TABLES IN SCHEMA pub TO cbm_source;
ALTER DEFAULT PRIVILEGES IN SCHEMA pub GRANT SELECT ON TABLES TO cbm_source;
ALTER ROLE cbm_source SET default_transaction_read_only = on;
