UPDATE etl.Table_Lock SET RenewedUtc = :now, ExpiresUtc = :expires WHERE TableName = :table_name AND Owner = :owner AND Token = :token;
