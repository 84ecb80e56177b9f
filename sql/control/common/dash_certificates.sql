SELECT TableName, Status, EndedUtc, VerifiedThroughTs, RowsSource, RowsOds, KeysMissing, KeysExtra, KeysDifferent, KeysPending
FROM (
    SELECT c.*, ROW_NUMBER() OVER (PARTITION BY c.TableName ORDER BY c.CertificateId DESC) AS Recency FROM etl.Certificate AS c
) AS ranked
WHERE Recency = 1
ORDER BY TableName;
