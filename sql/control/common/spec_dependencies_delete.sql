DELETE FROM config.ETL_Dependencies WHERE TableName = :table_name;
