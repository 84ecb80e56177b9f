UPDATE config.ETL_Tables SET LastSuccessTs = :ended WHERE TableName = :table_name;
