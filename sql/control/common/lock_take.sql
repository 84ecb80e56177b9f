-- The token seen and the conditions are checked again by the write itself: of two contenders one changes the row, the other none.
UPDATE etl.Table_Lock
SET Owner = :owner, Token = Token + 1, AcquiredUtc = :now, RenewedUtc = :now, ExpiresUtc = :expires
WHERE TableName = :table_name AND Token = :seen_token AND (Owner IS NULL OR ExpiresUtc <= :now OR Owner = :dead_owner);
