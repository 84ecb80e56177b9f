-- CREATE SCHEMA must stand alone in its batch, hence EXEC.
IF SCHEMA_ID(N'etl') IS NULL EXEC (N'CREATE SCHEMA etl');
IF SCHEMA_ID(N'config') IS NULL EXEC (N'CREATE SCHEMA config');
IF OBJECT_ID(N'etl.Schema_Version', N'U') IS NULL CREATE TABLE etl.Schema_Version (
    Version INT PRIMARY KEY,
    Name NVARCHAR(200) NOT NULL,
    AppliedUtc DATETIME2(6) NOT NULL
);
IF OBJECT_ID(N'config.Schema_Version', N'U') IS NULL CREATE TABLE config.Schema_Version (
    Version INT PRIMARY KEY,
    Name NVARCHAR(200) NOT NULL,
    AppliedUtc DATETIME2(6) NOT NULL
);
