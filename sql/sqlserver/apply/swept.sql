    -- Keys only were read: those ODS lacks are left to the next load.
    SELECT @unchanged = COUNT_BIG(*)
    FROM {{ staging }} AS s INNER JOIN {{ target }} AS o ON o._key_hash = s._key_hash
    WHERE o._is_deleted = 0;
    SET @filtered = @read - @unchanged;
