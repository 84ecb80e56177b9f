INSERT INTO {{ staging }} ({{ columns }}, _key_hash, _hashdiff)
SELECT {{ columns }}, _key_hash, _hashdiff
FROM {{ incoming }};
