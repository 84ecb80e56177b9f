SELECT to_regclass(format('stg.%I', $name::text)) IS NOT NULL;
