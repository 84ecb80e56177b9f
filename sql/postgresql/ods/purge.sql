DELETE FROM {{ target }} WHERE _is_deleted AND _deleted_at < $before::timestamp;
