-- For this transaction: a stage of a load has a time-out.
SELECT set_config('statement_timeout', $limit::text, TRUE);
