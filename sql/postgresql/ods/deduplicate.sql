-- Greatest cursor wins, then a total order over all columns: the row hash, then the key as spelled.
DELETE FROM {{ staging }} AS s
USING (
    SELECT
        ctid AS row_position,
        row_number() OVER (PARTITION BY _key_hash ORDER BY {{ order }}) AS nth
    FROM {{ staging }}
    WHERE _key_hash IN (SELECT _key_hash FROM {{ staging }} GROUP BY _key_hash HAVING count(*) > 1)
) AS ranked
WHERE s.ctid = ranked.row_position AND ranked.nth > 1;
