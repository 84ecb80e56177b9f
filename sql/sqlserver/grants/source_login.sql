-- A source on SQL Server: the replicating login reads one schema and writes nothing. Replace dbo by yours. May be run again.
IF DATABASE_PRINCIPAL_ID(N'cbm_source') IS NULL CREATE USER [cbm_source] FOR LOGIN [cbm_source];
GO
GRANT SELECT ON SCHEMA::[dbo] TO [cbm_source];
GRANT VIEW DEFINITION ON SCHEMA::[dbo] TO [cbm_source];
GO
