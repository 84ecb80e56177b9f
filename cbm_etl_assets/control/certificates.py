"""etl.Certificate: one row a verification, never changed afterwards. Owns its writing; what it says is `pipeline.certificate`."""

from __future__ import annotations

from cbm_etl_assets.control.database import Database
from cbm_etl_assets.control.port import CertificateRow
from cbm_etl_assets.control.sql import statement


def add_certificate(database: Database, row: CertificateRow) -> None:
    with database.transaction() as session:
        session.execute(statement("certificate_add"), dict(vars(row)))
