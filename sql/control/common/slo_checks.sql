SELECT TableName, LogTs, Verdict FROM etl.DataQuality_Log WHERE Verdict <> 'SKIPPED' AND LogTs >= :since;
