-- One writer a table, over all processes; given back with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('cbm_etl_assets.' || $table::text, 0))::text;
