SELECT c.TableName, c.Status, c.EndedUtc
FROM etl.Certificate AS c
INNER JOIN (SELECT TableName, MAX(CertificateId) AS CertificateId FROM etl.Certificate GROUP BY TableName) AS latest
    ON latest.CertificateId = c.CertificateId;
