INSERT INTO config.ETL_Tables (
    TableName, DestinationTable, PrimaryKeyCols, HasTimestamps, DateCreaCol, DateModifCol, DateModifPrecision, FilterClause,
    LookbackInterval, IsDimension, IsFact, SourceSchema, SourceTable, TableGroup, Priority, Owners, PartitionGrain, ScheduleCron,
    ScheduleTimezone, SlaHours, SpecHash
) VALUES (
    :table_name, :destination, :primary_key, :has_timestamps, :date_created, :date_modified, :precision, :filter,
    :lookback, :is_dimension, :is_fact, :source_schema, :source_table, :table_group, :priority, :owners, :grain, :cron,
    :timezone, :sla_hours, :spec_hash
);
