-- Projections of the table YAMLs, for the people who query them. ETL_Tables, ETL_Columns and ETL_Dependencies keep the old
-- pipeline's columns under their old names, in front; ours follow.
CREATE TABLE IF NOT EXISTS config.ETL_Tables (
    TableName TEXT PRIMARY KEY,
    DestinationTable TEXT NOT NULL,
    PrimaryKeyCols TEXT NOT NULL,
    HasTimestamps INTEGER NOT NULL,
    DateCreaCol TEXT,
    DateModifCol TEXT,
    DateModifPrecision TEXT,
    FilterClause TEXT,
    LookbackInterval TEXT,
    LastSuccessTs TEXT,
    IsDimension INTEGER NOT NULL,
    IsFact INTEGER NOT NULL,
    SourceSchema TEXT NOT NULL,
    SourceTable TEXT NOT NULL,
    TableGroup TEXT NOT NULL,
    Priority TEXT NOT NULL,
    Owners TEXT NOT NULL,
    PartitionGrain TEXT,
    ScheduleCron TEXT,
    ScheduleTimezone TEXT,
    SlaHours REAL NOT NULL,
    SpecHash TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS config.ETL_Columns (
    TableName TEXT NOT NULL,
    ColumnName TEXT NOT NULL,
    SqlName TEXT NOT NULL,
    SourceExpression TEXT NOT NULL,
    IsExcluded INTEGER NOT NULL,
    Notes TEXT NOT NULL,
    Ordinal INTEGER NOT NULL,
    DataType TEXT NOT NULL,
    Extent INTEGER NOT NULL,
    Mask TEXT,
    IsKey INTEGER NOT NULL,
    PRIMARY KEY (TableName, ColumnName)
);
CREATE TABLE IF NOT EXISTS config.ETL_Dependencies (
    TableName TEXT NOT NULL,
    DependsOn TEXT NOT NULL,
    PRIMARY KEY (TableName, DependsOn)
);
