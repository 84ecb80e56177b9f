SELECT c.TableName, c.RunId, c.Status, c.EndedUtc, c.KeysMissing, c.KeysExtra, c.KeysDifferent
FROM etl.Certificate AS c
JOIN (SELECT TableName, MAX(CertificateId) AS LastId FROM etl.Certificate GROUP BY TableName) AS newest ON newest.LastId = c.CertificateId;
