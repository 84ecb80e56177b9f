-- No range lock: on the first load of a table it would wait for whichever load holds the next row. Two first loads of one table
-- cannot meet here, the control database lets one in; should they, the key refuses the second.
DECLARE @table nvarchar(128) = ?, @now datetime2(6) = ?;
BEGIN TRY
    BEGIN TRANSACTION;
    UPDATE {{ state }}
    SET last_issued_seq = last_issued_seq + 1, fencing_token = fencing_token + 1, updated_at = @now
    WHERE table_name = @table;
    IF @@ROWCOUNT = 0
        INSERT INTO {{ state }} (
            table_name, last_issued_seq, last_applied_seq, last_full_seq, watermark, fencing_token, hash_columns, updated_at,
            outcome_seq, outcome_run_id, outcome
        )
        VALUES (@table, 1, 0, 0, NULL, 1, N'[]', @now, 0, N'', N'');
    SELECT
        table_name, last_issued_seq, last_applied_seq, last_full_seq, watermark, fencing_token, hash_columns,
        outcome_seq, outcome_run_id, outcome
    FROM {{ state }}
    WHERE table_name = @table;
    COMMIT TRANSACTION;
END TRY
BEGIN CATCH
    IF XACT_STATE() <> 0 ROLLBACK TRANSACTION;
    THROW;
END CATCH;
