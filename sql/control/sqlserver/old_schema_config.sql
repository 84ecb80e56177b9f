IF SCHEMA_ID(N'config_old') IS NULL EXEC (N'CREATE SCHEMA config_old');
