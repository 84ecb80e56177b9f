"""Every kind of rule: importing this module registers them all. `metadata.rulekinds` finds it by name."""

from cbm_etl_assets.quality import row_kinds, source_kinds, table_kinds

__all__ = ["row_kinds", "source_kinds", "table_kinds"]
