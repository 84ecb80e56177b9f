SELECT {{ keys }}
FROM {{ staging }}
WHERE _key_hash IN (SELECT _key_hash FROM {{ staging }} GROUP BY _key_hash HAVING count(*) > 1)
ORDER BY {{ order }}
LIMIT 3;
