-- Projections of the table YAMLs, for the people who query them. ETL_Tables, ETL_Columns and ETL_Dependencies keep the old
-- pipeline's columns under their old names, in front; ours follow.
IF OBJECT_ID(N'config.ETL_Tables', N'U') IS NULL CREATE TABLE config.ETL_Tables (
    TableName NVARCHAR(128) PRIMARY KEY,
    DestinationTable NVARCHAR(128) NOT NULL,
    PrimaryKeyCols NVARCHAR(MAX) NOT NULL,
    HasTimestamps SMALLINT NOT NULL,
    DateCreaCol NVARCHAR(128),
    DateModifCol NVARCHAR(128),
    DateModifPrecision NVARCHAR(20),
    FilterClause NVARCHAR(MAX),
    LookbackInterval NVARCHAR(20),
    LastSuccessTs DATETIME2(6),
    IsDimension SMALLINT NOT NULL,
    IsFact SMALLINT NOT NULL,
    SourceSchema NVARCHAR(128) NOT NULL,
    SourceTable NVARCHAR(128) NOT NULL,
    TableGroup NVARCHAR(128) NOT NULL,
    Priority NVARCHAR(20) NOT NULL,
    Owners NVARCHAR(MAX) NOT NULL,
    PartitionGrain NVARCHAR(20),
    ScheduleCron NVARCHAR(100),
    ScheduleTimezone NVARCHAR(100),
    SlaHours FLOAT NOT NULL,
    SpecHash NVARCHAR(64) NOT NULL
);
IF OBJECT_ID(N'config.ETL_Columns', N'U') IS NULL CREATE TABLE config.ETL_Columns (
    TableName NVARCHAR(128) NOT NULL,
    ColumnName NVARCHAR(128) NOT NULL,
    SqlName NVARCHAR(128) NOT NULL,
    SourceExpression NVARCHAR(MAX) NOT NULL,
    IsExcluded SMALLINT NOT NULL,
    Notes NVARCHAR(MAX) NOT NULL,
    Ordinal INTEGER NOT NULL,
    DataType NVARCHAR(40) NOT NULL,
    Extent INTEGER NOT NULL,
    Mask NVARCHAR(20),
    IsKey SMALLINT NOT NULL,
    PRIMARY KEY (TableName, ColumnName)
);
IF OBJECT_ID(N'config.ETL_Dependencies', N'U') IS NULL CREATE TABLE config.ETL_Dependencies (
    TableName NVARCHAR(128) NOT NULL,
    DependsOn NVARCHAR(128) NOT NULL,
    PRIMARY KEY (TableName, DependsOn)
);
