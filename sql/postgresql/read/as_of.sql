SELECT {{ columns }}
FROM {{ target }}
WHERE _valid_from <= $1::timestamp AND (_valid_to IS NULL OR _valid_to > $2::timestamp)
ORDER BY {{ order }};
