-- For the DBA, once, in the control database (it may be the warehouse's): the two schemas the platform migrates itself.
-- The role is made before:  CREATE ROLE cbm_loader LOGIN PASSWORD '...';
CREATE SCHEMA IF NOT EXISTS etl AUTHORIZATION cbm_loader;
CREATE SCHEMA IF NOT EXISTS config AUTHORIZATION cbm_loader;
