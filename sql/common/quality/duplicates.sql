SELECT SUM(g.n), SUM(g.n - 1)
FROM (
    SELECT {{ group }}, COUNT(*) AS n
    FROM {{ relation }} AS r
    WHERE {{ live }}
    GROUP BY {{ by }}
) AS g;
