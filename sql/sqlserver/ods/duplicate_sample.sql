SELECT TOP (3) {{ keys }}
FROM {{ staging }}
WHERE _key_hash IN (SELECT _key_hash FROM {{ staging }} GROUP BY _key_hash HAVING COUNT_BIG(*) > 1)
ORDER BY {{ keys }};
