SELECT TableName, ErrorClass, COUNT(*) AS OpenRows, MIN(FirstSeenUtc) AS FirstSeenUtc, MAX(LastSeenUtc) AS LastSeenUtc
FROM etl.Quarantine
WHERE State = 'open'
GROUP BY TableName, ErrorClass
ORDER BY TableName, ErrorClass;
