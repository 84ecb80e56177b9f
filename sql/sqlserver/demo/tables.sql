DECLARE @stg nvarchar(128) = ?, @ods nvarchar(128) = ?, @marts nvarchar(128) = ?;
SELECT s.name AS schema_name, t.name AS table_name
FROM sys.tables AS t INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE s.name IN (@stg, @ods, @marts);
