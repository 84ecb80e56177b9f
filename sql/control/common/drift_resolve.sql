UPDATE etl.SchemaDrift SET ResolvedUtc = :now WHERE DriftId = :drift_id AND ResolvedUtc IS NULL;
