COMMENT ON SCHEMA stg IS 'cbm-etl demo';
