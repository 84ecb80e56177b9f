"""Names: OpenEdge -> SQL-safe, and the technical column names nobody else may use.

Owns the mapping of one name. Collisions across columns and tables are found in `metadata.catalog`.
"""

from __future__ import annotations

import re
import unicodedata

TECHNICAL_COLUMNS: tuple[str, ...] = (
    "_key_hash", "_hashdiff", "_hash_version", "_load_seq", "_extracted_at", "_updated_at", "_run_id",
    "_is_deleted", "_deleted_at",
)  # fmt: skip
# Nine names in ten; the rest of the work costs 3 us a name, and a catalogue has 100,000.
_SAFE = re.compile(r"[A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?", re.ASCII)


def sql_safe(name: str) -> str:
    """`gencod-v` -> `gencod_v`, `Réf. n°` -> `Ref_n`, `2nd` -> `_2nd`; case is kept; technical names get a `src` prefix."""
    if _SAFE.fullmatch(name):
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9_]+", "_", plain).rstrip("_") or "col"
    if safe[0].isdigit():
        safe = f"_{safe}"
    return f"src{safe}" if safe.lower() in TECHNICAL_COLUMNS else safe
