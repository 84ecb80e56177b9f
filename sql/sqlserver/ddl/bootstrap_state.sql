-- `outcome`: what the last apply counted (no braces, no quotes: ODBC looks for escapes in a statement), so that a load whose COMMIT got no answer can tell whether it was applied.
BEGIN TRY
    IF OBJECT_ID({{ state_name }}, N'U') IS NULL
        CREATE TABLE {{ state }} (
            table_name nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL PRIMARY KEY,
            last_issued_seq bigint NOT NULL,
            last_applied_seq bigint NOT NULL,
            last_full_seq bigint NOT NULL,
            watermark datetime2(6) NULL,
            fencing_token bigint NOT NULL,
            hash_columns nvarchar(max) NOT NULL,
            updated_at datetime2(6) NOT NULL,
            outcome_seq bigint NOT NULL,
            outcome_run_id nvarchar(200) NOT NULL,
            outcome nvarchar(1000) NOT NULL
        );
END TRY
BEGIN CATCH
    IF XACT_STATE() <> 0 ROLLBACK TRANSACTION;
    IF OBJECT_ID({{ state_name }}, N'U') IS NULL THROW;
END CATCH;
