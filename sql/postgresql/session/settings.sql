-- Only settings this server knows: client_connection_check_interval is there from PostgreSQL 14 on.
SELECT set_config(wanted.name, wanted.setting, FALSE)
FROM (
    VALUES
    ('timezone', 'UTC'),
    ('lock_timeout', $lock_timeout::text),
    ('jit', 'off'),
    ('client_connection_check_interval', '5s')
) AS wanted (name, setting)
INNER JOIN pg_settings AS known ON lower(known.name) = wanted.name;
