SELECT TableName, SpecHash FROM config.ETL_Tables;
