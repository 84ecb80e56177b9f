SELECT Owner, Token, AcquiredUtc, ExpiresUtc FROM etl.Table_Lock WHERE TableName = :table_name;
