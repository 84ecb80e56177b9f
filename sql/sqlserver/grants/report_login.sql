-- A login that only reads: Power BI, analysts. Run by an administrator, in the warehouse's database. May be run again.
IF DATABASE_PRINCIPAL_ID(N'cbm_report') IS NULL CREATE USER [cbm_report] FOR LOGIN [cbm_report];
GO
GRANT SELECT ON SCHEMA::[ods] TO [cbm_report];
GRANT SELECT ON SCHEMA::[marts] TO [cbm_report];
GO
