-- First statement of a transaction that changes tables: one loader at a time, and only the one that holds the table.
DECLARE @table nvarchar(128) = ?, @token bigint = ?, @resource nvarchar(255) = ?;
DECLARE @locked int, @held bigint;
EXEC @locked = sp_getapplock
    @Resource = @resource, @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = {{ lock_wait_ms }};
IF @locked < 0 THROW 51001, N'another load of this table holds the lock', 1;
SELECT @held = fencing_token FROM {{ state }} WITH (UPDLOCK) WHERE table_name = @table;
IF @held IS NULL OR @held <> @token THROW 51002, N'the fencing token has moved on', 1;
