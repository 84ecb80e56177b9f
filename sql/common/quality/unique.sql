SELECT SUM(g.n), SUM(CASE WHEN g.n > 1 THEN g.n ELSE 0 END)
FROM (
    SELECT {{ group }}, COUNT(*) AS n
    FROM {{ relation }} AS r
    WHERE {{ live }} AND {{ filled }}
    GROUP BY {{ by }}
) AS g;
