INSERT INTO {{ target }} ({{ into }})
SELECT {{ picked }}
FROM {{ staging }};
