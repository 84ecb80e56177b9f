from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from cbm_etl_assets.reliability.files import describe_os_error, fsync_dir, fsync_file, sha256_file, write_durably


def test_durable_write_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_durably(path, b"x" * 3_000_000)
    fsync_file(path)
    fsync_dir(tmp_path)
    assert sha256_file(path) == hashlib.sha256(b"x" * 3_000_000).hexdigest()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "free space"), (errno.EROFS, "read-only"), (errno.EACCES, "write access"), (9999, "look at the disk")],
)
def test_an_os_error_becomes_words_and_a_remedy(number: int, remedy: str) -> None:
    what, hint = describe_os_error(OSError(number, "No luck", "/x/y"))
    assert what == "No luck (/x/y)"
    assert remedy in hint
