"""Where the real dumps lie, and a writer of small `.d` files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("CBM_REAL_DUMPS") or Path(__file__).parents[3] / ".." / "shared" / "data").resolve()
needs_real_dumps = pytest.mark.skipif(not ROOT.is_dir(), reason=f"CBM_REAL_DUMPS: no real dumps in {ROOT.name}")


def real_tables() -> list[tuple[str, str]]:
    """(folder, table) of every dumped table; one entry with empty names where there are no dumps, to be skipped."""
    from cbm_etl_assets.metadata.dumpfolder import load_dump_folder

    if not ROOT.is_dir():
        return [("", "")]
    return [(name, t.table.name) for name in ("sports2000", "pct") for t in load_dump_folder(ROOT / name).dumped]


def write_d(path: Path, body: str, *, records: int, encoding: str = "latin_1", **keys: str) -> Path:
    """A `.d` file with the trailer OpenEdge writes; keyword arguments replace its keys."""
    page = {"latin_1": "ISO8859-1", "utf-8": "UTF-8", "cp850": "ibm850", "cp1252": "1252", "iso8859_15": "ISO8859-15"}[encoding]
    trailer = {
        "filename": "t", "records": f"{records:013d}", "ldbname": "db", "timestamp": "2024/01/31-08:00:00", "numformat": "46,44",
        "dateformat": "dmy-1950", "map": "NO-MAP", "cpstream": page,
    } | keys  # fmt: skip
    lines = "".join(f"{key}={value}\n" for key, value in trailer.items())
    path.write_bytes(body.encode(encoding) + f".\nPSC\n{lines}.\n0000000999\n".encode())
    return path
