"""What can be said of a transform without running it: technical names, versions, hash columns. Apart from the code that runs,
because importing polars costs 0.4 s, which a load of a table that is only renamed never needs in the parent process.
"""

from __future__ import annotations

from cbm_etl_assets.metadata.spec import TableSpec

KEY_HASH = "_key_hash"
HASHDIFF = "_hashdiff"
HASH_VERSION = 1


def is_rename_only(spec: TableSpec) -> bool:
    """True when raw and ODS-bound values are the same bytes under (perhaps) other names."""
    return not any(
        (c.extent and c.explode) or c.clean or c.mask or c.non_finite != "keep" or str(c.source_logical) != str(c.logical)
        for c in spec.kept_columns
    )


def hash_columns(spec: TableSpec) -> tuple[str, ...]:
    """Non-key target columns in hash order; every column where the table has no key."""
    keys = set(spec.key_targets)
    return tuple(sorted(name for name, _ in spec.target_columns if name not in keys))
