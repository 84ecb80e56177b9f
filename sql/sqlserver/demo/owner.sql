-- Whether anything stands in the schemas, and whose: a demo leaves its name on the staging schema.
DECLARE @stg nvarchar(128) = ?, @ods nvarchar(128) = ?, @marts nvarchar(128) = ?;
SELECT
    CASE
        WHEN EXISTS (
            SELECT 1 FROM sys.tables AS t INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE s.name IN (@stg, @ods, @marts)
        ) THEN 1
        ELSE 0
    END AS has_tables,
    CASE
        WHEN EXISTS (
            SELECT 1
            FROM sys.extended_properties AS p INNER JOIN sys.schemas AS s ON s.schema_id = p.major_id
            WHERE p.class = 3 AND p.name = N'cbm_etl' AND s.name = @stg
        ) THEN 1
        ELSE 0
    END AS is_ours;
