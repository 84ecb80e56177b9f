INSERT INTO etl.Schema_Version (Version, Name, AppliedUtc) VALUES (:version, :name, :applied);
