-- Projections of the table YAMLs, for the people who query them. ETL_Tables, ETL_Columns and ETL_Dependencies keep the old
-- pipeline's columns under their old names, in front; ours follow.
CREATE TABLE IF NOT EXISTS config.ETL_Tables (
    TableName VARCHAR(128) PRIMARY KEY,
    DestinationTable VARCHAR(128) NOT NULL,
    PrimaryKeyCols TEXT NOT NULL,
    HasTimestamps SMALLINT NOT NULL,
    DateCreaCol VARCHAR(128),
    DateModifCol VARCHAR(128),
    DateModifPrecision VARCHAR(20),
    FilterClause TEXT,
    LookbackInterval VARCHAR(20),
    LastSuccessTs TIMESTAMP,
    IsDimension SMALLINT NOT NULL,
    IsFact SMALLINT NOT NULL,
    SourceSchema VARCHAR(128) NOT NULL,
    SourceTable VARCHAR(128) NOT NULL,
    TableGroup VARCHAR(128) NOT NULL,
    Priority VARCHAR(20) NOT NULL,
    Owners TEXT NOT NULL,
    PartitionGrain VARCHAR(20),
    ScheduleCron VARCHAR(100),
    ScheduleTimezone VARCHAR(100),
    SlaHours DOUBLE PRECISION NOT NULL,
    SpecHash VARCHAR(64) NOT NULL
);
CREATE TABLE IF NOT EXISTS config.ETL_Columns (
    TableName VARCHAR(128) NOT NULL,
    ColumnName VARCHAR(128) NOT NULL,
    SqlName VARCHAR(128) NOT NULL,
    SourceExpression TEXT NOT NULL,
    IsExcluded SMALLINT NOT NULL,
    Notes TEXT NOT NULL,
    Ordinal INTEGER NOT NULL,
    DataType VARCHAR(40) NOT NULL,
    Extent INTEGER NOT NULL,
    Mask VARCHAR(20),
    IsKey SMALLINT NOT NULL,
    PRIMARY KEY (TableName, ColumnName)
);
CREATE TABLE IF NOT EXISTS config.ETL_Dependencies (
    TableName VARCHAR(128) NOT NULL,
    DependsOn VARCHAR(128) NOT NULL,
    PRIMARY KEY (TableName, DependsOn)
);
