-- LastSuccessTs is left alone: it belongs to the loads, not to the specs.
UPDATE config.ETL_Tables
SET DestinationTable = :destination, PrimaryKeyCols = :primary_key, HasTimestamps = :has_timestamps, DateCreaCol = :date_created,
    DateModifCol = :date_modified, DateModifPrecision = :precision, FilterClause = :filter, LookbackInterval = :lookback,
    IsDimension = :is_dimension, IsFact = :is_fact, SourceSchema = :source_schema, SourceTable = :source_table,
    TableGroup = :table_group, Priority = :priority, Owners = :owners, PartitionGrain = :grain, ScheduleCron = :cron,
    ScheduleTimezone = :timezone, SlaHours = :sla_hours, SpecHash = :spec_hash
WHERE TableName = :table_name;
