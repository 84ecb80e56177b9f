SELECT {{ columns }}
FROM {{ target }}
WHERE _valid_from <= ? AND (_valid_to IS NULL OR _valid_to > ?)
ORDER BY {{ order }};
