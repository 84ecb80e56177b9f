"""Names and versions of the technical columns the transform makes. Apart, because importing polars costs 0.4 s."""

from __future__ import annotations

KEY_HASH = "_key_hash"
HASHDIFF = "_hashdiff"
HASH_VERSION = 1
