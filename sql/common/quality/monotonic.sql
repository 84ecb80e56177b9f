SELECT COUNT(*), SUM(CASE WHEN {{ step }} THEN 1 ELSE 0 END)
FROM (
    SELECT {{ value }} AS v, LAG({{ value }}) OVER (ORDER BY {{ order }}) AS p
    FROM {{ relation }} AS r
    WHERE {{ live }} AND {{ value }} IS NOT NULL
) AS s;
