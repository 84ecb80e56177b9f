"""The named columns of the movements: entetcli (orders), lignecli (order lines), hisprixa (purchase price history).

Owns data only. lignecli has no modification column at all, as in the real ERP: it can only be read in full.
"""

from __future__ import annotations

from cbm_etl_assets.metadata.catalogue import SourceIndex
from cbm_etl_assets.twin.erp import recipes as r
from cbm_etl_assets.twin.erp import words as w
from cbm_etl_assets.twin.erp.blueprint import Blueprint, Col, Fill
from cbm_etl_assets.twin.erp.tables_base import NULL_MODIFIED, stamps

_CLIENT_OF_ORDER = r.ref("client")

ENTETCLI = Blueprint(
    "entetcli",
    "Commandes clients",
    "En-têtes des commandes clients",
    (
        Col("no_cde", "int", r.key("entetcli"), "Numéro de commande"),
        Col("uniq_id", "int64", r.serial(7_000_000_000), "Identifiant unique"),
        Col("cod_cli", "int", _CLIENT_OF_ORDER, "Code client"),
        Col("Date", "date", r.days_ago(1, 700), "Date de commande"),
        Col("en-tete", "char(60)", r.over_wide(r.filler_text), "Texte d'en-tête"),
        Col("ref_cli", "char(20)", r.sparse(r.filler_text, 0.3), "Référence du client", Fill.PARTLY),
        Col("statut", "char(4)", r.pick("S", "P", "L", "F", "?"), "Statut"),
        Col("mt_tva", "dec(15,2)", r.array(w.price_elements), "Montants de TVA par taux", extent=3, width=60),
        Col("mt_ht", "dec(17,2)", r.amounts(-500, 60_000), "Montant hors taxes (€)"),
        Col("nb_lig", "int", r.integers(1, 40), "Nombre de lignes"),
        Col("solde", "log", r.flags(0.6), "Commande soldée"),
        Col("Com_Liv", "char(31000)", r.filler_text, "Commentaire de livraison"),
        Col("Dat_Max", "date", r.constant(None), "Date limite", Fill.EMPTY),
        *stamps("entetcli"),
        Col("hr_mod", "char(8)", r.time_text, "Heure de modification"),
    ),
    (
        SourceIndex("i_cde", ("no_cde",), unique=True, primary=True),
        SourceIndex("i_uniq", ("uniq_id",), unique=True),
        SourceIndex("i_cli", ("cod_cli",)),
        SourceIndex("i_mod", ("dat_mod",)),
    ),
    key=("no_cde",),
    changes=("mt_ht", "nb_lig", "solde"),
    clock="hr_mod",
)

LIGNECLI = Blueprint(
    "lignecli",
    "Lignes de commandes clients",
    "Lignes des commandes clients, sans aucune date de modification",
    (
        Col("uniq_id", "int64", r.serial(1), "Identifiant unique"),
        Col("no_cde", "int", r.ref_to(r.order_of_line), "Numéro de commande"),
        Col("no_lig", "int", r.line_number, "Numéro de ligne"),
        Col("cod_cli", "int", r.via(r.order_of_line, _CLIENT_OF_ORDER), "Code client"),
        Col("cod_pro", "char(16)", r.ref("produit"), "Code article"),
        Col("lib_lig", "char(50)", r.over_wide(r.phrase(w.GOODS, w.TRAITS)), "Libellé de la ligne"),
        Col("qte_cde", "dec(15,3)", r.amounts(1, 500), "Quantité commandée"),
        Col("px_net", "dec(17,5)", r.amounts(0, 900), "Prix net (€)"),
        Col("rem_lig", "dec(5,2)", r.array(w.price_elements), "Remises de la ligne", extent=4, width=80),
        Col("nb_col", "int", r.integers(1, 20), "Nombre de colis"),
        Col("livre", "log", r.flags(0.7), "Ligne livrée"),
        Col("Texte_Lig", "char(31000)", r.filler_text, "Texte libre"),
    ),
    (
        SourceIndex("i_lig", ("no_cde", "no_lig"), primary=True),
        SourceIndex("i_uniq", ("uniq_id",), unique=True),
        SourceIndex("i_pro", ("cod_pro",)),
    ),
    key=("uniq_id",),
    changes=("qte_cde", "px_net", "nb_col"),
    modified=None,
    created=None,
)

HISPRIXA = Blueprint(
    "hisprixa",
    "Historique des prix d'achat",
    "Un prix d'achat par fournisseur, article, jour et heure",
    (
        Col("cod_fou", "int", r.via(r.product_of_price, r.ref("fournis")), "Code fournisseur"),
        Col("cod_pro", "char(16)", r.ref_to(r.product_of_price), "Code article"),
        Col("dat_px", "date", r.price_day, "Date du prix"),
        Col("hr_mod", "char(8)", r.time_text, "Heure du prix"),
        Col("px_ach", "dec(17,5)", r.amounts(0, 900), "Prix d'achat (€)"),
        Col("px_qte", "dec(15,5)", r.array(w.price_elements), "Prix par quantité", extent=5, width=110),
        Col("tx_rem", "dec(5,2)", r.amounts(0, 60), "Taux de remise"),
        Col("nb_mini", "int", r.integers(1, 50), "Quantité minimale"),
        Col("Lib_Px", "char(30)", r.over_wide(r.filler_text), "Libellé du prix"),
        Col("dat_mod", "date", r.modified(NULL_MODIFIED["hisprixa"]), "Date de modification", Fill.PARTLY),
    ),
    (SourceIndex("i_his", ("cod_fou", "cod_pro", "dat_px", "hr_mod"), unique=True, primary=True), SourceIndex("i_mod", ("dat_mod",))),
    key=("cod_fou", "cod_pro", "dat_px", "hr_mod"),
    changes=("px_ach", "tx_rem", "nb_mini"),
    created="dat_px",
)
