SELECT COUNT_BIG(*) AS n FROM {{ target }} WHERE _is_deleted = 0;
