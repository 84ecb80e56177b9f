SELECT coalesce(sum(n), 0)::bigint AS rows_over, count(*) AS keys_over
FROM (SELECT count(*) - 1 AS n FROM {{ staging }} GROUP BY _key_hash HAVING count(*) > 1) AS repeated;
