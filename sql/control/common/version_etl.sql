SELECT MAX(Version) AS Version FROM etl.Schema_Version;
