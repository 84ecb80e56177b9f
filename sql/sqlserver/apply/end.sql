    IF @read <> @inserted + @updated + @unchanged + @superseded + @resurrected + @deduplicated + @filtered
        THROW 51003, N'rows read and rows accounted for differ', 1;
    UPDATE {{ state }}
    SET
        last_applied_seq = CASE WHEN last_applied_seq < @seq THEN @seq ELSE last_applied_seq END,
        last_full_seq = CASE WHEN @is_complete = 1 AND last_full_seq < @seq THEN @seq ELSE last_full_seq END,
        watermark = CASE WHEN @watermark > watermark OR watermark IS NULL THEN COALESCE(@watermark, watermark) ELSE watermark END,
        hash_columns = @hash_columns,
        updated_at = @now,
        outcome_seq = @seq,
        outcome_run_id = @run_id,
        outcome = CONCAT(
            N'read=', @read, N' inserted=', @inserted, N' updated=', @updated, N' unchanged=', @unchanged,
            N' superseded=', @superseded, N' resurrected=', @resurrected, N' deduplicated=', @deduplicated,
            N' filtered=', @filtered, N' deleted=', @deleted
        )
    WHERE table_name = @table;
    DROP TABLE {{ staging }};
    SELECT outcome FROM {{ state }} WHERE table_name = @table;
    COMMIT TRANSACTION;
END TRY
BEGIN CATCH
    IF XACT_STATE() <> 0 ROLLBACK TRANSACTION;
    THROW;
END CATCH;
