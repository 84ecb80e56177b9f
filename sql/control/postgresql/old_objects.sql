SELECT table_name AS ObjectName FROM information_schema.tables WHERE table_schema = :schema_name AND table_name <> 'schema_version';
