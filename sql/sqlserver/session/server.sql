-- What the preflight asks: readers must not wait for loads, and the server must know what the statements use.
SELECT
    d.is_read_committed_snapshot_on,
    d.compatibility_level,
    d.collation_name,
    CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version,
    HAS_PERMS_BY_NAME(NULL, 'DATABASE', 'CREATE TABLE') AS may_create_table
FROM sys.databases AS d
WHERE d.database_id = DB_ID();
