-- reads: client entetcli lignecli
-- about: Chiffre d'affaires par client: orders, lines and net amount of the live rows.
CREATE SCHEMA IF NOT EXISTS marts;
CREATE OR REPLACE TABLE marts.ca_par_client AS
SELECT
    c.cod_cli,
    c.nom_cli,
    count(DISTINCT e.no_cde) AS nb_commandes,
    count(l.uniq_id) AS nb_lignes,
    coalesce(sum(CAST(l.qte_cde AS DOUBLE) * CAST(l.px_net AS DOUBLE)), 0) AS ca_net,
    max(e."Date") AS derniere_commande
FROM ods.client AS c
LEFT JOIN ods.entetcli AS e ON e.cod_cli = c.cod_cli AND NOT e._is_deleted
LEFT JOIN ods.lignecli AS l ON l.no_cde = e.no_cde AND NOT l._is_deleted
WHERE NOT c._is_deleted
GROUP BY c.cod_cli, c.nom_cli
ORDER BY c.cod_cli;
