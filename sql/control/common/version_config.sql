SELECT MAX(Version) AS Version FROM config.Schema_Version;
