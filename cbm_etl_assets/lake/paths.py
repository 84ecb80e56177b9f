"""Names inside the lake: folders of tables and loads, temporary folders, what may be a name at all.

Owns the layout. Touches no file.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from cbm_etl_assets.errors import LakeError
from cbm_etl_assets.metadata.manifest import Manifest
from cbm_etl_assets.reliability.process import host_id, pid_alive

MANIFEST = "manifest.json"
# 128 is the longest identifier a warehouse takes; with it every path component stays under the 255 bytes of a file system.
_TABLE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}$")
_FILE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,200}\.parquet$")
_SEQ = re.compile(r"^\d{12}$")
_SCRATCH = re.compile(r"^\.(?P<kind>tmp|old|trash|lease)-(?P<seq>\d{12})-(?P<host>[A-Za-z0-9.~_\-]+)-(?P<pid>\d+)$")


@dataclass(frozen=True)
class Scratch:
    """A folder or marker that belongs to a process: .tmp (being written), .old, .trash (being removed), .lease (being read)."""

    kind: str
    seq: int
    host: str
    pid: int

    @property
    def is_foreign(self) -> bool:
        """Made by a process this one cannot see."""
        return self.host != host_id()

    @property
    def is_alive(self) -> bool:
        return not self.is_foreign and pid_alive(self.pid)


def table_folder(table: str) -> str:
    """Raises: LakeError for a name that could leave the lake or that a file system would refuse."""
    if not _TABLE.fullmatch(table) or ".." in table:
        raise LakeError(
            f"Table name {table!r} cannot be a folder of the lake. Allowed: letters, digits, '_', '-', '.'; 1 to 128, no '.' first.",
            remedy="give the table a plain `target` name in its YAML",
        )
    return f"raw/{table}"


def load_folder(table: str, seq: int) -> str:
    if not 0 <= seq < 10**12:
        raise LakeError(f"Load number {seq} of table '{table}' is not between 0 and 999999999999.")
    return f"{table_folder(table)}/{seq:012d}"


def file_name(name: str) -> str:
    """Raises: LakeError for a manifest entry that is not a plain Parquet file name."""
    if not _FILE.fullmatch(name) or ".." in name:
        raise LakeError(
            f"Raw file name {name!r} is not a plain name such as part-00000.parquet.", remedy="remove that load's folder and load again"
        )
    return name


def scratch_name(kind: str, seq: int) -> str:
    return f".{kind}-{seq:012d}-{host_id()}-{os.getpid()}"


def parse_scratch(name: str) -> Scratch | None:
    found = _SCRATCH.fullmatch(name)
    return Scratch(found["kind"], int(found["seq"]), found["host"], int(found["pid"])) if found else None


def parse_seq(name: str) -> int | None:
    return int(name) if _SEQ.fullmatch(name) else None


def manifest_path(manifest: Manifest) -> str:
    return load_folder(manifest.table, manifest.seq)
