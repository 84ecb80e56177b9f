DECLARE @schema nvarchar(128) = ?;
EXEC sp_addextendedproperty @name = N'cbm_etl', @value = N'demo', @level0type = N'SCHEMA', @level0name = @schema;
