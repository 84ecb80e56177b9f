DECLARE @schema nvarchar(128) = ?, @table nvarchar(128) = ?, @column nvarchar(128) = ?, @value nvarchar(3700) = ?;
EXEC {{ verb }} @name = N'MS_Description', @value = @value,
    @level0type = N'SCHEMA', @level0name = @schema, @level1type = N'TABLE', @level1name = @table,
    @level2type = N'COLUMN', @level2name = @column;
