"""What Dagster loads: `dagster dev` from the repository root, or `cbm-etl ui`. No logic here."""

from cbm_etl_assets.metadata.catalog import load_catalog
from cbm_etl_assets.orchestration.build import build_defs
from cbm_etl_assets.settings import load_settings

settings = load_settings()
defs = build_defs(load_catalog(settings.tables_dir), settings)
