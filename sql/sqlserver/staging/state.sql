DECLARE @table nvarchar(128) = ?;
SELECT
    table_name, last_issued_seq, last_applied_seq, last_full_seq, watermark, fencing_token, hash_columns,
    outcome_seq, outcome_run_id, outcome
FROM {{ state }}
WHERE table_name = @table;
