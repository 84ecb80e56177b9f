SELECT {{ columns }}, _key_hash FROM {{ target }} WHERE NOT _is_deleted;
