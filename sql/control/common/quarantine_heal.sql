UPDATE etl.Quarantine SET State = 'healed', LastSeenUtc = :now
WHERE TableName = :table_name AND KeyHash = :key_hash AND State <> 'healed' AND LoadSeq < :seq;
