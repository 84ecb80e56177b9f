SELECT count(*) FROM {{ target }} WHERE _hash_version <> $hash_version;
