"""The words, in English and French: titles by kind and event, labels, and the first thing to do by kind or class of error."""

from __future__ import annotations

from cbm_etl_assets.alerting.events import Event, Kind, Severity

Words = dict[str, str]

TITLES: dict[str, Words] = {
    "en": {
        Kind.RUN_FAILURE: "Load failed", Kind.MASS_DELETE: "Mass delete refused", Kind.QUARANTINE: "Too many rows in quarantine",
        Kind.DRIFT: "Source schema changed: review it", Kind.FRESHNESS: "Data out of date", Kind.FAILURES: "Many failures in 24 h",
        Kind.QUALITY: "Critical quality rule broken", Kind.SLO_BURN: "Error budget is burning", Kind.SLO_THRESHOLD: "Objective missed",
        Kind.CERTIFICATE: "Source and warehouse differ", Kind.CIRCUIT: "Circuit open", Kind.ASSET_FRESHNESS: "Asset out of date",
        Kind.DAGSTER_RUN: "Dagster run failed", Kind.CHANNEL: "Alert route does not deliver",
        Kind.WATCH: "An alert cannot be evaluated", Kind.HEALTH: "Platform unhealthy",
        Kind.LOAD: "Load finished", Kind.SUMMARY: "Daily summary", Kind.TEST: "Test message",
    },
    "fr": {
        Kind.RUN_FAILURE: "Échec du chargement", Kind.MASS_DELETE: "Suppression massive refusée",
        Kind.QUARANTINE: "Trop de lignes en quarantaine", Kind.DRIFT: "Schéma source modifié : à vérifier",
        Kind.FRESHNESS: "Données périmées", Kind.FAILURES: "Nombreux échecs en 24 h", Kind.QUALITY: "Règle de qualité critique enfreinte",
        Kind.SLO_BURN: "Budget d'erreur en forte consommation", Kind.SLO_THRESHOLD: "Objectif non atteint",
        Kind.CERTIFICATE: "Source et entrepôt différents", Kind.CIRCUIT: "Disjoncteur ouvert", Kind.ASSET_FRESHNESS: "Asset périmé",
        Kind.DAGSTER_RUN: "Échec d'un run Dagster", Kind.CHANNEL: "Canal d'alerte en panne",
        Kind.WATCH: "Alerte impossible à évaluer", Kind.HEALTH: "Plateforme en mauvais état",
        Kind.LOAD: "Chargement terminé", Kind.SUMMARY: "Bilan quotidien", Kind.TEST: "Message de test",
    },
}  # fmt: skip

EVENTS: dict[str, Words] = {
    "en": {
        Event.OPENED: "", Event.CHANGED: "changed", Event.REMINDED: "still open", Event.RECOVERED: "recovered", Event.SUCCESS: "success",
        Event.RETRY: "after retries", Event.SUMMARY: "", Event.TEST: "",
    },
    "fr": {
        Event.OPENED: "", Event.CHANGED: "modifié", Event.REMINDED: "toujours ouvert", Event.RECOVERED: "rétabli",
        Event.SUCCESS: "succès", Event.RETRY: "après reprises", Event.SUMMARY: "", Event.TEST: "",
    },
}  # fmt: skip

SEVERITIES: dict[str, Words] = {
    "en": {Severity.INFO: "info", Severity.WARNING: "warning", Severity.ERROR: "error", Severity.CRITICAL: "critical"},
    "fr": {Severity.INFO: "info", Severity.WARNING: "avertissement", Severity.ERROR: "erreur", Severity.CRITICAL: "critique"},
}

LABELS: dict[str, Words] = {
    "en": {
        "table": "Table", "owner": "Owner", "since": "Since", "until": "Until", "severity": "Severity",
        "environment": "Environment",
        "downstream": "At risk downstream", "remedy": "First step", "open_run": "Open the run in Dagster",
        "open_table": "Open the table",
        "open": "Open Dagster", "more": "… and {n} more", "group": "{n} alerts", "recovered": "{n} recovered", "and": "{n} more",
        "none": "nobody declared", "times": "Failures",
    },
    "fr": {
        "table": "Table", "owner": "Responsable", "since": "Depuis", "until": "Jusqu'à", "severity": "Gravité",
        "environment": "Environnement", "downstream": "En aval, à risque", "remedy": "Première action",
        "open_run": "Ouvrir le run dans Dagster", "open_table": "Ouvrir la table",
        "open": "Ouvrir Dagster", "more": "… et {n} de plus", "group": "{n} alertes",
        "recovered": "{n} rétablie(s)", "and": "{n} de plus", "none": "non déclaré", "times": "Échecs",
    },
}  # fmt: skip

# Numbers of the summary and of single alerts, in the order shown.
NUMBERS: dict[str, Words] = {
    "en": {
        "loads_good": "Good loads (24 h)", "loads_failed": "Failed loads (24 h)", "tables_loaded": "Tables loaded", "tables": "Tables",
        "rows_written": "Rows written", "stale": "Tables out of date", "quarantined": "Rows in quarantine", "open_alerts": "Open alerts",
        "hours": "Age (h)", "limit": "Limit", "failures": "Failures", "rows": "Rows", "missing": "Missing rows", "extra": "Extra rows",
        "different": "Different rows", "attempts": "Attempts", "seconds": "Seconds", "waiting": "Messages waiting", "measured": "Measured",
        "objective": "Objective",
    },
    "fr": {
        "loads_good": "Chargements réussis (24 h)", "loads_failed": "Chargements en échec (24 h)", "tables_loaded": "Tables chargées",
        "tables": "Tables", "rows_written": "Lignes écrites", "stale": "Tables périmées", "quarantined": "Lignes en quarantaine",
        "open_alerts": "Alertes ouvertes", "hours": "Âge (h)", "limit": "Limite", "failures": "Échecs", "rows": "Lignes",
        "missing": "Lignes manquantes", "extra": "Lignes en trop", "different": "Lignes différentes", "attempts": "Tentatives",
        "seconds": "Secondes", "waiting": "Messages en attente", "measured": "Mesuré", "objective": "Objectif",
    },
}  # fmt: skip

SUMMARY: dict[str, Words] = {
    "en": {"good": "All is well.", "bad": "Attention is needed.", "still": "The platform is watching; no news would be bad news."},
    "fr": {
        "good": "Tout va bien.", "bad": "Une intervention est nécessaire.", "still": "La plateforme veille ; un silence serait une alarme."
    },
}  # fmt: skip

REMEDIES: dict[str, Words] = {
    "en": {
        Kind.RUN_FAILURE: "cbm-etl preflight {table}, then cbm-etl run {table}",
        Kind.MASS_DELETE: "check the source; if the deletions are right: cbm-etl run {table} --mode full --allow-mass-delete",
        Kind.QUARANTINE: "cbm-etl quarantine list {table}: correct the rows at the source; every load retries them",
        Kind.DRIFT: "cbm-etl tables sync {table} shows the changes; --apply safe writes them into the spec",
        Kind.FRESHNESS: "cbm-etl status, then cbm-etl run {table}; is the daemon running?",
        Kind.FAILURES: "cbm-etl status; look for one cause: source, disk, network",
        Kind.QUALITY: "cbm-etl validate {table}",
        Kind.SLO_BURN: "cbm-etl slo",
        Kind.SLO_THRESHOLD: "cbm-etl slo",
        Kind.CERTIFICATE: "cbm-etl repair {table}, then cbm-etl verify {table}",
        Kind.CIRCUIT: "bring the source back; the circuit closes by itself after a good probe",
        Kind.ASSET_FRESHNESS: "open the asset in Dagster",
        Kind.DAGSTER_RUN: "open the run in Dagster; is the code server running?",
        Kind.CHANNEL: "cbm-etl alert test {subject}",
        Kind.WATCH: "cbm-etl alert list",
        Kind.HEALTH: "cbm-etl health",
        "SqlWidthError": "dbtool at the source, option SQL width and date scan, fixes the width",
        "TransientSourceError": "is the OpenEdge server up and reachable? cbm-etl preflight",
        "TransientWarehouseError": "close what holds the warehouse file open, then cbm-etl run {table}",
        "DamagedWarehouseError": "restore the warehouse from its backup, or rebuild it by full loads",
        "DuplicateKeyError": "the declared primary_key is no key: correct the spec of {table}",
        "OrphanedRun": "the process was killed or the machine stopped: cbm-etl run {table}",
        "CircuitOpenError": "bring the source back; the circuit closes by itself after a good probe",
    },
    "fr": {
        Kind.RUN_FAILURE: "cbm-etl preflight {table}, puis cbm-etl run {table}",
        Kind.MASS_DELETE: "vérifier la source ; si c'est voulu : cbm-etl run {table} --mode full --allow-mass-delete",
        Kind.QUARANTINE: "cbm-etl quarantine list {table} : corriger les lignes à la source ; chaque chargement les reprend",
        Kind.DRIFT: "cbm-etl tables sync {table} montre les changements ; --apply safe les inscrit dans la spec",
        Kind.FRESHNESS: "cbm-etl status, puis cbm-etl run {table} ; le démon tourne-t-il ?",
        Kind.FAILURES: "cbm-etl status ; chercher une cause commune : source, disque, réseau",
        Kind.QUALITY: "cbm-etl validate {table}",
        Kind.SLO_BURN: "cbm-etl slo",
        Kind.SLO_THRESHOLD: "cbm-etl slo",
        Kind.CERTIFICATE: "cbm-etl repair {table}, puis cbm-etl verify {table}",
        Kind.CIRCUIT: "rétablir la source ; le disjoncteur se referme seul après un essai réussi",
        Kind.ASSET_FRESHNESS: "ouvrir l'asset dans Dagster",
        Kind.DAGSTER_RUN: "ouvrir le run dans Dagster ; le serveur de code tourne-t-il ?",
        Kind.CHANNEL: "cbm-etl alert test {subject}",
        Kind.WATCH: "cbm-etl alert list",
        Kind.HEALTH: "cbm-etl health",
        "SqlWidthError": "dbtool à la source, option SQL width and date scan, corrige la largeur",
        "TransientSourceError": "le serveur OpenEdge est-il joignable ? cbm-etl preflight",
        "TransientWarehouseError": "fermer ce qui tient le fichier de l'entrepôt, puis cbm-etl run {table}",
        "DamagedWarehouseError": "restaurer l'entrepôt depuis sa sauvegarde, ou le reconstruire par chargements complets",
        "DuplicateKeyError": "la primary_key déclarée n'est pas une clé : corriger la spec de {table}",
        "OrphanedRun": "le processus a été tué ou la machine arrêtée : cbm-etl run {table}",
        "CircuitOpenError": "rétablir la source ; le disjoncteur se referme seul après un essai réussi",
    },
}
