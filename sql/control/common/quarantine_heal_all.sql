UPDATE etl.Quarantine SET State = 'healed', LastSeenUtc = :now
WHERE TableName = :table_name AND State <> 'healed' AND LoadSeq < :seq;
