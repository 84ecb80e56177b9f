SELECT {{ outer }}
FROM (
    SELECT {{ keys }}, {{ value }} AS v, LAG({{ value }}) OVER (ORDER BY {{ order }}) AS p
    FROM {{ relation }} AS r
    WHERE {{ live }} AND {{ value }} IS NOT NULL
) AS s
WHERE {{ step }}
ORDER BY {{ outer }};
