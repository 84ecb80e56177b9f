from __future__ import annotations

import os
import subprocess
import sys
import time

from cbm_etl_assets.reliability.process import host_id, is_dead, owner_process, pid_alive, process_owner


def test_owner_names_host_process_and_detail_once() -> None:
    owner = process_owner("run:1")
    assert owner_process(owner) == (host_id(), os.getpid())
    assert owner.endswith(":run:1")
    assert process_owner(owner) == owner
    assert owner_process("just-a-run-id") is None


def test_living_and_foreign_owners_are_never_declared_dead() -> None:
    assert not is_dead(process_owner("x"))
    assert not is_dead("elsewhere:1:x")
    assert not is_dead(f"{host_id()}-other:{2**22 + 1}:x")
    assert not is_dead("unparsable")
    assert pid_alive(1)
    assert not pid_alive(0)


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    deadline = time.monotonic() + 10
    try:
        while pid_alive(child.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert child.returncode is None, "the zombie was not collected before the check"
        assert not pid_alive(child.pid)
        assert is_dead(f"{host_id()}:{child.pid}:x")
    finally:
        child.wait()
