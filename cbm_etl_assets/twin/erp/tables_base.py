"""The named columns of the master tables: client, fournis, produit, stock.

Owns data only. Names, hyphens, reserved words and mixed case are those of the real ERP or in its manner.
"""

from __future__ import annotations

from cbm_etl_assets.metadata.catalogue import SourceIndex
from cbm_etl_assets.twin.erp import recipes as r
from cbm_etl_assets.twin.erp import words as w
from cbm_etl_assets.twin.erp.blueprint import Blueprint, Col, Fill

# Rows never modified, by table: 2 % to 70 % in the real database.
NULL_MODIFIED: dict[str, float] = {"client": 0.20, "fournis": 0.35, "produit": 0.02, "stock": 0.55, "entetcli": 0.45, "hisprixa": 0.70}


def stamps(table: str, *, unknown: float = 0.0) -> tuple[Col, ...]:
    """dat_mod and dat_crt; `unknown` = share of the never-modified rows whose dat_crt is NULL too."""
    nulls = NULL_MODIFIED[table]
    born = Fill.PARTLY if unknown else Fill.VARIED
    return (
        Col("dat_mod", "date", r.modified(nulls), "Date de modification", Fill.PARTLY),
        Col("dat_crt", "date", r.created(nulls, unknown), "Date de création", born),
    )


SECONDS = Col("hr_mod", "int", r.seconds_of_day, "Heure de modification (secondes)")

CLIENT = Blueprint(
    "client",
    "Clients",
    "Fichier clients : une ligne par client livré ou facturé",
    (
        Col("cod_cli", "int", r.key("client"), "Code client"),
        Col("nom_cli", "char(40)", r.over_wide(r.phrase(w.COMPANIES, w.SURNAMES)), "Nom ou raison sociale"),
        Col("Adresse", "char(38)", r.filler_text, "Adresse"),
        Col("cod_pos", "char(10)", r.digits(5), "Code postal"),
        Col("Ville", "char(32)", r.pick(*w.TOWNS, "?", ""), "Ville"),
        Col("mot-cle", "char(30)", r.pick(*w.SURNAMES), "Mot-clé"),
        Col("e_mail", "char(60)", r.sparse(r.digits(6, "contact", "@exemple.fr"), 0.3), "Adresse électronique", Fill.PARTLY),
        Col("num_tel", "char(20)", r.digits(8, "+33 "), "Téléphone"),
        Col("num_fax", "char(20)", r.sparse(r.digits(8, "+33 "), 0.6), "Télécopie", Fill.PARTLY),
        Col("iban", "char(34)", r.sparse(r.digits(18, "FR76"), 0.4), "IBAN", Fill.PARTLY),
        Col("Group", "char(8)", r.pick("GC", "PME", "ART", "?", ""), "Groupe de clients"),
        Col("Area", "int", r.integers(1, 9), "Zone de vente"),
        Col("ca_mens", "dec(15,2)", r.array(w.price_elements), "Chiffre d'affaires mensuel", extent=12, width=240),
        Col("encours", "dec(17,2)", r.amounts(-5_000, 90_000), "Encours autorisé (€)"),
        Col("tx_rem", "dec(5,2)", r.amounts(0, 40), "Taux de remise"),
        Col("bloque", "log", r.flags(0.04), "Client bloqué"),
        Col("Commentaire", "char(31000)", r.filler_text, "Commentaire libre"),
        *stamps("client", unknown=0.01),
        SECONDS,
        Col("dh_web", "datetime", r.moments(r.RECENT_DAYS), "Dernière connexion au site"),
    ),
    (
        SourceIndex("i_cli", ("cod_cli",), unique=True, primary=True),
        SourceIndex("i_nom", ("nom_cli",)),
        SourceIndex("i_mot", ("mot-cle",), word=True),
        SourceIndex("i_mod", ("dat_mod",)),
    ),
    key=("cod_cli",),
    changes=("encours", "Area", "bloque"),
    clock="hr_mod",
)

FOURNIS = Blueprint(
    "fournis",
    "Fournisseurs",
    "Fichier fournisseurs",
    (
        Col("cod_fou", "int", r.key("fournis"), "Code fournisseur", mandatory=True),
        Col("nom_fou", "char(40)", r.over_wide(r.phrase(w.COMPANIES, w.SURNAMES)), "Nom du fournisseur"),
        Col("Ville", "char(32)", r.pick(*w.TOWNS), "Ville"),
        Col("mult-fou", "char(12)", r.pick("O", "N", "?", ""), "Fournisseur multiple"),
        Col("franco", "dec(15,2)", r.array(w.price_elements), "Seuils de franco", extent=3, width=60),
        Col("mt_mini", "dec(17,2)", r.amounts(0, 2_000), "Minimum de commande (€)"),
        Col("del_liv", "int", r.integers(0, 60), "Délai de livraison (jours)"),
        Col("agree", "log", r.flags(0.8), "Fournisseur agréé"),
        Col("Cycle", "int", r.integers(1, 4), "Cycle de commande"),
        *stamps("fournis"),
        SECONDS,
        Col("dh_edi", "datetime", r.moments(30), "Dernier échange EDI"),
    ),
    (
        SourceIndex("i_fou", ("cod_fou",), unique=True, primary=True),
        SourceIndex("i_nom", ("nom_fou",)),
        SourceIndex("i_mod", ("dat_mod",)),
    ),
    key=("cod_fou",),
    changes=("mt_mini", "del_liv", "agree"),
    clock="hr_mod",
)

PRODUIT = Blueprint(
    "produit",
    "Articles",
    "Fichier articles : 613 colonnes dont plus de 500 vides ou constantes",
    (
        Col("cod_pro", "char(16)", r.key("produit"), "Code article"),
        Col("nom_pro", "char(40)", r.over_wide(r.phrase(w.GOODS, w.TRAITS)), "Désignation"),
        Col("Desc", "char(80)", r.filler_text, "Description commerciale"),
        Col("famille", "char(6)", r.pick("VIS", "ÉCR", "PNE", "OUT", "CÂB", ""), "Famille"),
        Col("ss_fam", "int", r.integers(1, 30), "Sous-famille"),
        Col("gencod-v", "char(14)", r.digits(13), "Code EAN de vente"),
        Col("gencod-a", "char(14)", r.sparse(r.digits(13), 0.5), "Code EAN d'achat", Fill.PARTLY),
        Col("cod_fou", "int", r.ref("fournis"), "Fournisseur principal"),
        Col("px_vte", "dec(15,5)", r.array(w.price_elements), "Prix de vente par tarif", extent=5, width=110),
        Col("qte_pal", "int", r.array(w.integer_elements), "Quantités par palette", extent=3, width=40),
        Col("lib_alt", "char(20)", r.array(w.text_elements), "Libellés en d'autres langues", extent=3, width=130),
        Col("px_rvt", "dec(17,5)", r.amounts(0, 900), "Prix de revient (€)"),
        Col("poids", "dec(12,3)", r.amounts(0, 400), "Poids net (kg)"),
        Col("actif", "log", r.flags(0.9), "Article actif"),
        Col("Memo_tech", "char(31000)", r.EMPTY, "Mémo technique", Fill.EMPTY),
        Col("Dat_Fin", "date", r.days_ago(-900, 30), "Fin de validité"),
        *stamps("produit"),
        SECONDS,
        Col("dh_maj", "datetime", r.moments(365), "Dernier calcul du prix"),
    ),
    (
        SourceIndex("i_fam", ("famille", "ss_fam"), primary=True),
        SourceIndex("i_pro", ("cod_pro",), unique=True),
        SourceIndex("i_mod", ("dat_mod",)),
        SourceIndex("i_crt", ("dat_crt",)),
    ),
    key=("cod_pro",),
    changes=("px_rvt", "ss_fam", "actif"),
    clock="hr_mod",
)

STOCK = Blueprint(
    "stock",
    "Stocks",
    "Stock par article et dépôt",
    (
        Col("cod_pro", "char(16)", r.ref_to(r.product_of_stock), "Code article", mandatory=True),
        Col("cod_dep", "int", r.depot, "Dépôt", mandatory=True),
        Col("emp_sto", "char(12)", r.over_wide(r.filler_text), "Emplacement"),
        Col("conso", "dec(15,2)", r.array(w.price_elements), "Consommations mensuelles", extent=12, width=240),
        Col("qte_sto", "dec(15,3)", r.amounts(-20, 5_000), "Quantité en stock"),
        Col("qte_res", "dec(15,3)", r.amounts(0, 300), "Quantité réservée"),
        Col("rot_sto", "int", r.integers(0, 60), "Rotation"),
        *stamps("stock"),
        Col("hr_mod", "int", r.seconds_of_day, "Heure de modification (secondes)"),
    ),
    (SourceIndex("i_sto", ("cod_pro", "cod_dep"), unique=True, primary=True), SourceIndex("i_mod", ("dat_mod",))),
    key=("cod_pro", "cod_dep"),
    changes=("qte_sto", "qte_res", "rot_sto"),
    clock="hr_mod",
)
