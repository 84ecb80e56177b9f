UPDATE etl.Quarantine SET State = 'dropped' WHERE TableName = :table_name AND QuarantineId = :entry_id AND State = 'open';
