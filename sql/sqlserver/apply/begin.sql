-- One batch, one transaction: what it throws is rolled back whole. Dates travel as ISO texts, '' is none.
SET NOCOUNT ON;
SET XACT_ABORT ON;
DECLARE @table nvarchar(128) = ?, @resource nvarchar(255) = ?, @token bigint = ?, @expected bigint = ?, @seq bigint = ?;
DECLARE @run_id nvarchar(200) = ?, @t0 datetime2(6) = ?, @now datetime2(6) = ?, @hash_version smallint = ?;
DECLARE @is_complete bit = ?, @hash_columns nvarchar(max) = ?;
DECLARE @watermark datetime2(6) = NULLIF(?, N''), @since datetime2(6) = NULLIF(?, N'');
DECLARE @locked int, @held bigint, @applied bigint, @touched bigint;
DECLARE @read bigint = 0, @deduplicated bigint = 0, @superseded bigint = 0, @filtered bigint = 0, @deleted bigint = 0;
DECLARE @inserted bigint = 0, @updated bigint = 0, @unchanged bigint = 0, @resurrected bigint = 0, @refreshed bigint = 0;
DROP TABLE IF EXISTS #cbm_changes;
DROP TABLE IF EXISTS #cbm_versions;
CREATE TABLE #cbm_changes (_key_hash binary(32) NOT NULL PRIMARY KEY, outcome char(1) NOT NULL);
CREATE TABLE #cbm_versions (_key_hash binary(32) NOT NULL PRIMARY KEY, _valid_from datetime2(6) NOT NULL);
BEGIN TRY
    BEGIN TRANSACTION;
    EXEC @locked = sp_getapplock
        @Resource = @resource, @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = {{ lock_wait_ms }};
    IF @locked < 0 THROW 51001, N'another load of this table holds the lock', 1;
    SELECT @held = fencing_token, @applied = last_applied_seq FROM {{ state }} WITH (UPDLOCK) WHERE table_name = @table;
    IF @held IS NULL OR @held <> @token THROW 51002, N'the fencing token has moved on', 1;
    IF @applied <> @expected THROW 51004, N'another load was applied in the meantime', 1;
    SELECT @read = COUNT_BIG(*) FROM {{ staging }};
