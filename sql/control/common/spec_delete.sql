DELETE FROM config.ETL_Tables WHERE TableName = :table_name;
