"""Files that survive a crash: durable writes, digests in C, and what an operating-system error means to an operator.

Owns fsync, atomic replacement, SHA-256 of a file. Knows nothing of Parquet, manifests or warehouses.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from pathlib import Path

_REMEDIES = {
    errno.ENOSPC: "free space on that disk (cbm-etl lake clean --days N removes old raw files), then run again",
    errno.EDQUOT: "raise the disk quota or free space (cbm-etl lake clean --days N), then run again",
    errno.EROFS: "the file system is read-only: mount it writable or set CBM_HOME / CBM_LAKE__URL to another place",
    errno.EACCES: "give the account that runs cbm-etl write access to it, or set CBM_HOME / CBM_LAKE__URL to another place",
    errno.EPERM: "give the account that runs cbm-etl write access to it, or set CBM_HOME / CBM_LAKE__URL to another place",
    errno.ENOENT: "something removed it while it was in use: run again",
    errno.EMFILE: "raise the limit of open files (ulimit -n), then run again",
}


def describe_os_error(error: OSError) -> tuple[str, str]:
    """(what happened, remedy), for the typed error of the caller's room."""
    what = error.strerror or str(error) or type(error).__name__
    where = f" ({error.filename})" if error.filename else ""
    return f"{what}{where}", _REMEDIES.get(error.errno or 0, "look at the disk and the permissions of that path, then run again")


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256; read and hashed in C outside the GIL, constant memory."""
    with path.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fsync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_dir(path: Path) -> None:
    """Makes a rename or a creation inside the folder durable. Windows cannot open folders; NTFS journals renames itself."""
    if sys.platform != "win32":
        fsync_file(path)


def write_durably(path: Path, content: bytes) -> None:
    """Write and fsync; the caller publishes by renaming."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
