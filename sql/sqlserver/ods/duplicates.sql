SELECT COALESCE(SUM(d.n), 0) AS rows_over, COUNT_BIG(*) AS keys_over
FROM (SELECT COUNT_BIG(*) - 1 AS n FROM {{ staging }} GROUP BY _key_hash HAVING COUNT_BIG(*) > 1) AS d;
