DELETE FROM etl.Quarantine WHERE State <> 'open' AND LastSeenUtc < :before;
