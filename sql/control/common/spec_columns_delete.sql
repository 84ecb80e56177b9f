DELETE FROM config.ETL_Columns WHERE TableName = :table_name;
