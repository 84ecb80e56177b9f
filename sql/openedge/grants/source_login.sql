-- OpenEdge: the replicating login reads the tables it replicates and nothing else. Run by a DBA through sqlexp or any ODBC client.
-- OpenEdge grants table by table: one line each. COMMIT, because OpenEdge SQL is always inside a transaction.
-- Source: OpenEdge SQL Reference, CREATE USER, GRANT, COMMIT. CREATE USER and GRANT want a DBA; the owner of a table may grant as well.
CREATE USER 'cbm_source', 'choose-a-password';
GRANT SELECT ON PUB.client TO cbm_source;
GRANT SELECT ON PUB.produit TO cbm_source;
-- The clock, and the catalogue for `cbm-etl tables add`, drift checks and the preflight.
GRANT SELECT ON SYSPROGRESS.SYSCALCTABLE TO cbm_source;
GRANT SELECT ON SYSPROGRESS.SYSTABLES TO cbm_source;
GRANT SELECT ON PUB."_File" TO cbm_source;
GRANT SELECT ON PUB."_Field" TO cbm_source;
GRANT SELECT ON PUB."_Index" TO cbm_source;
GRANT SELECT ON PUB."_Index-Field" TO cbm_source;
COMMIT;
