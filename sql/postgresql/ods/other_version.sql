SELECT EXISTS (SELECT 1 FROM {{ target }} WHERE _hash_version <> $hash_version::smallint);
