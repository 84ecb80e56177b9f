SELECT count(*) FROM {{ target }} WHERE NOT _is_deleted;
