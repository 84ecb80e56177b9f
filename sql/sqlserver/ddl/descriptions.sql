-- What is described already: '' is the table itself.
DECLARE @schema nvarchar(128) = ?, @table nvarchar(128) = ?;
SELECT COALESCE(c.name, N'') AS column_name, CAST(p.value AS nvarchar(3700)) AS description
FROM sys.extended_properties AS p
INNER JOIN sys.tables AS t ON t.object_id = p.major_id
INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
LEFT JOIN sys.columns AS c ON c.object_id = p.major_id AND c.column_id = p.minor_id
WHERE p.class = 1 AND p.name = N'MS_Description' AND s.name = @schema AND t.name = @table;
