"""Questions a rule may put to the source before a load: the preflight's own checks, one at a time.

Owns the names.
"""

from __future__ import annotations

from collections.abc import Callable

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.preflight import Check, CheckStatus, attempt


def probe(platform: Platform, spec: TableSpec, name: str) -> tuple[bool, str]:
    """(is it good, what it says). Raises: SpecError for a name nobody answers."""
    from cbm_etl_assets.pipeline import preflight_table

    def reach() -> Check:
        return Check("source", CheckStatus.OK, f"the source answers, its clock says {platform.source.clock():%Y-%m-%d %H:%M:%S}")

    def catalogue() -> Check:
        return preflight_table.catalogue_check(spec, platform.source.catalogue(spec.source_schema, spec.table))

    probes: dict[str, Callable[[], Check]] = {
        "source": reach, "catalogue": catalogue, "key": lambda: preflight_table.key_check(platform, spec),
    }  # fmt: skip
    if name not in probes:
        raise SpecError(f"Unknown probe '{name}'. Known: {', '.join(probes)}.")
    check = attempt(name, probes[name])
    # A catalogue that only gained a column warns in the preflight; equal it is not.
    good = (CheckStatus.OK,) if name == "catalogue" else (CheckStatus.OK, CheckStatus.WARN)
    return check.status in good, check.detail
