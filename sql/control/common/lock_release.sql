UPDATE etl.Table_Lock SET Owner = NULL, ExpiresUtc = :now WHERE TableName = :table_name AND Owner = :owner AND Token = :token;
