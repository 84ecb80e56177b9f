DECLARE @before datetime2(6) = ?;
DELETE FROM {{ target }} WHERE _is_deleted = 1 AND _deleted_at < @before;
SELECT ROWCOUNT_BIG() AS n;
