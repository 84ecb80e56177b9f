DECLARE @schema nvarchar(128) = ?;
SELECT o.name
FROM sys.tables AS o INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE s.name = @schema AND LEFT(o.name, 4) <> N'_cbm'
ORDER BY o.name;
