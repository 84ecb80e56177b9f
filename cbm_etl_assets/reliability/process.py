"""Who holds what: names of this host and process, and whether a process of this host still lives.

Owns the owner string `host:pid:detail` that locks, log rows and temporary folders carry. Knows nothing of what is held.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import sys
from functools import lru_cache
from pathlib import Path

_OWNER = re.compile(r"^(?P<host>[^:]+):(?P<pid>\d+):(?P<detail>.*)$", re.DOTALL)


@lru_cache(maxsize=1)
def host_id() -> str:
    """Host name plus a short mark of the boot and of the pid namespace.

    A bare host name is not enough: two containers may share it while their pids mean different processes, and taking a
    living loader for dead is worse than waiting for its lock to expire.
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", socket.gethostname()) or "host"
    marks = [_read("/proc/sys/kernel/random/boot_id"), _readlink("/proc/self/ns/pid")]
    return f"{name}~{hashlib.sha256('|'.join(marks).encode()).hexdigest()[:8]}" if any(marks) else name


def process_owner(detail: str = "") -> str:
    """`host:pid:detail` of the calling process; a detail that already is one of this process passes unchanged."""
    prefix = f"{host_id()}:{os.getpid()}:"
    return detail if detail.startswith(prefix) else f"{prefix}{detail}"


def owner_process(owner: str) -> tuple[str, int] | None:
    """(host, pid) of an owner string; None when it is not one."""
    found = _OWNER.match(owner)
    return (found["host"], int(found["pid"])) if found else None


def is_dead(owner: str) -> bool:
    """True only when the owner is surely gone: a process of THIS host (same boot, same pid namespace) that no longer runs."""
    process = owner_process(owner)
    return process is not None and process[0] == host_id() and not pid_alive(process[1])


def pid_alive(pid: int) -> bool:
    """A zombie counts as dead: a killed child stays one until its parent collects it."""
    if pid <= 0:
        return False
    stat = _read(f"/proc/{pid}/stat")
    if stat:
        return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
    return False if Path("/proc/self/stat").exists() else _pid_known(pid)


def _pid_known(pid: int) -> bool:
    if sys.platform == "win32":
        import psutil  # comes with dagster there; os.kill(pid, 0) would send Ctrl-C

        return bool(psutil.pid_exists(pid))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, under another account
        return True
    return True


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # absent on this system, or the process is gone: both mean "nothing to read"
        return ""


def _readlink(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:  # no /proc on this system
        return ""
