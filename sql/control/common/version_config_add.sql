INSERT INTO config.Schema_Version (Version, Name, AppliedUtc) VALUES (:version, :name, :applied);
