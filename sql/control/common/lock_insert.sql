INSERT INTO etl.Table_Lock (TableName, Owner, Token, AcquiredUtc, RenewedUtc, ExpiresUtc)
VALUES (:table_name, :owner, 1, :now, :now, :expires);
