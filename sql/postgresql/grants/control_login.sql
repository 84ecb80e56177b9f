-- The control database (it may be the warehouse's): the two schemas the platform migrates itself. Run by an administrator, after
-- warehouse_login.sql. May be run again.
CREATE SCHEMA IF NOT EXISTS etl AUTHORIZATION cbm_etl;
CREATE SCHEMA IF NOT EXISTS config AUTHORIZATION cbm_etl;
