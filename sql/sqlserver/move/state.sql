-- Numbers are only ever issued upwards, whichever warehouse issued them. '' is no watermark.
DECLARE @issued bigint = ?, @applied bigint = ?, @full bigint = ?, @watermark nvarchar(40) = ?;
DECLARE @hash_columns nvarchar(max) = ?, @now datetime2(6) = ?, @table nvarchar(128) = ?;
UPDATE {{ state }}
SET
    last_issued_seq = CASE WHEN last_issued_seq < @issued THEN @issued ELSE last_issued_seq END,
    last_applied_seq = @applied,
    last_full_seq = @full,
    watermark = CAST(NULLIF(@watermark, N'') AS datetime2(6)),
    hash_columns = @hash_columns,
    outcome_seq = 0,
    outcome_run_id = N'',
    outcome = N'',
    updated_at = @now
WHERE table_name = @table;
