INSERT INTO {{ recheck }} ({{ keys }}, _key_hash)
SELECT {{ keys.of_s }}, s._key_hash
FROM {{ staging }} AS s
WHERE {{ cursor }} >= $since::timestamp;
