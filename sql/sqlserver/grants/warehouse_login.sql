-- The least a login needs to load into the warehouse. Run by an administrator, in the warehouse's database.
-- Replace cbm_etl by the login's name (an Entra ID account: CREATE USER [...] FROM EXTERNAL PROVIDER). May be run again.
IF DATABASE_PRINCIPAL_ID(N'cbm_etl') IS NULL CREATE USER [cbm_etl] FOR LOGIN [cbm_etl];
GO
IF SCHEMA_ID(N'stg') IS NULL EXEC (N'CREATE SCHEMA [stg]');
IF SCHEMA_ID(N'ods') IS NULL EXEC (N'CREATE SCHEMA [ods]');
IF SCHEMA_ID(N'marts') IS NULL EXEC (N'CREATE SCHEMA [marts]');
GO
-- Tables are made, widened and dropped by the loads, in two schemas and nowhere else.
GRANT CREATE TABLE TO [cbm_etl];
GRANT ALTER, SELECT, INSERT, UPDATE, DELETE, REFERENCES ON SCHEMA::[stg] TO [cbm_etl];
GRANT ALTER, SELECT, INSERT, UPDATE, DELETE, REFERENCES ON SCHEMA::[ods] TO [cbm_etl];
GRANT SELECT ON SCHEMA::[marts] TO [cbm_etl];
GO
-- Readers wait for no load. Needs a moment without other sessions in the database.
IF EXISTS (SELECT 1 FROM sys.databases WHERE database_id = DB_ID() AND is_read_committed_snapshot_on = 0)
    ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE;
GO
