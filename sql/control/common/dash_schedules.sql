SELECT TableName, TableGroup, Priority, ScheduleCron, ScheduleTimezone, SlaHours FROM config.ETL_Tables ORDER BY TableName;
