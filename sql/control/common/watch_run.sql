SELECT DISTINCT Status FROM etl.ETL_Log WHERE RunId = :run_id;
