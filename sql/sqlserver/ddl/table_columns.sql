-- Columns of the tables a load works on, as T-SQL spells their types.
DECLARE @ods nvarchar(128) = ?, @target nvarchar(128) = ?, @history nvarchar(128) = ?;
DECLARE @stg nvarchar(128) = ?, @staging nvarchar(128) = ?, @recheck nvarchar(128) = ?;
SELECT
    CASE o.name WHEN @target THEN N'target' WHEN @history THEN N'history' WHEN @staging THEN N'staging' ELSE N'recheck' END AS role,
    c.name,
    CASE
        WHEN t.name IN (N'nvarchar', N'nchar') AND c.max_length > 0 THEN CONCAT(t.name, N'(', c.max_length / 2, N')')
        WHEN t.name IN (N'varchar', N'char', N'varbinary', N'binary') AND c.max_length > 0 THEN CONCAT(t.name, N'(', c.max_length, N')')
        WHEN c.max_length = -1 THEN CONCAT(t.name, N'(max)')
        WHEN t.name IN (N'decimal', N'numeric') THEN CONCAT(t.name, N'(', c.precision, N',', c.scale, N')')
        WHEN t.name IN (N'datetime2', N'datetimeoffset', N'time') THEN CONCAT(t.name, N'(', c.scale, N')')
        ELSE t.name
    END AS type_name
FROM sys.columns AS c
INNER JOIN sys.tables AS o ON o.object_id = c.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
INNER JOIN sys.types AS t ON t.user_type_id = c.user_type_id
WHERE (s.name = @ods AND o.name IN (@target, @history)) OR (s.name = @stg AND o.name IN (@staging, @recheck))
ORDER BY o.name, c.column_id;
