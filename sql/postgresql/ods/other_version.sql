-- Of the rows this load meets; looking at all of ODS would read a table of gigabytes for a handful of keys.
SELECT EXISTS (
    SELECT 1
    FROM {{ staging }} AS s
    INNER JOIN {{ target }} AS o ON o._key_hash = s._key_hash
    WHERE o._hash_version <> $hash_version::smallint
);
