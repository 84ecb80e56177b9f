"""One run of a child process, measured: wall clock from start to exit, CPU seconds, peak memory.

Owns the measuring. Knows nothing of what is measured. Linux only: wait4 gives the usage of the child and of all it waited for.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MEGABYTE = 1024 * 1024
# The slowest contender, the old path, takes 3 minutes; one that hangs must not hold the benchmark.
LIMIT_SECONDS = 900.0


@dataclass(frozen=True)
class Run:
    """`peak_rss_mb` is that of the largest process of the tree, as wait4 reports it."""

    wall_seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    stdout: str = ""


@dataclass
class Series:
    """All runs of one measure; the median is what is reported, the runs are kept beside it."""

    name: str
    runs: list[Run] = field(default_factory=list)

    @property
    def wall_seconds(self) -> float:
        return statistics.median(run.wall_seconds for run in self.runs)

    def report(self) -> dict[str, object]:
        return {
            "wall_seconds": round(self.wall_seconds, 3),
            "cpu_seconds": round(statistics.median(run.cpu_seconds for run in self.runs), 3),
            "peak_rss_mb": round(max(run.peak_rss_mb for run in self.runs), 1),
            "wall_seconds_of_each_run": [round(run.wall_seconds, 3) for run in self.runs],
        }


class ChildError(Exception):
    """A measured process failed: no result is better than a wrong one."""


def run_child(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdin: str = "") -> Run:
    """Raises: ChildError with the end of the child's output when it does not exit with 0, or not within LIMIT_SECONDS."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as given:
        given.write(stdin)
        given.seek(0)
        started = time.perf_counter()
        child = subprocess.Popen(list(command), env=dict(env), cwd=cwd, stdin=given, stdout=out, stderr=errors)
        limit = threading.Timer(LIMIT_SECONDS, child.kill)
        limit.start()
        _, status, usage = os.wait4(child.pid, 0)
        limit.cancel()
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        stdout = out.read()
        if child.returncode != 0:
            tail = "\n".join((stdout + errors.read()).strip().splitlines()[-15:])
            raise ChildError(f"{Path(command[0]).name} {' '.join(command[1:4])} ended with {child.returncode}:\n{tail}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / MEGABYTE, stdout)
