DELETE FROM etl.Alert_Log WHERE State = 'sent' AND SentUtc < :older;
