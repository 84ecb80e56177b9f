SELECT ErrorMessage FROM etl.ETL_Log WHERE LogId = :log_id;
