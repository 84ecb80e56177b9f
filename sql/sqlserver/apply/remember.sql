    -- The keys to look at again replace those of the load before, which this load has looked at.
    DELETE FROM {{ recheck }};
    INSERT INTO {{ recheck }} ({{ keys }}, _key_hash)
    SELECT {{ keys.of_s }}, s._key_hash
    FROM {{ staging }} AS s
    WHERE {{ cursor }} >= @since;
