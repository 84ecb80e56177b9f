"""Acceptance of the replica as a whole: random operations and loads, some of them killed with SIGKILL, against the model.

The walk and its checks are those of integration/test_state_machine.py; here the order is drawn from a seed and a kill is one: the
load runs in a process of its own that ends itself at a seam, with nothing handled and nothing flushed. After each operation ODS,
history, tombstones, watermark, quarantine and row counts equal the model. CI: a short walk. Nightly, and
HYPOTHESIS_PROFILE=nightly by hand: 1,000 operations with 50 kills.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode
from cbm_etl_assets_tests.dict_source import dict_platform
from cbm_etl_assets_tests.integration.test_state_machine import KEYS, SEAMS, Killed, Replication

pytestmark = [pytest.mark.integration, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
OPERATIONS, KILLS = (1000, 50) if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else (120, 6)
# Every load passes these; a probe by key happens only where there is something to probe.
KILL_AT = [seam for seam in SEAMS if seam != "probe"]
LOADS = (Mode.FULL, Mode.INCREMENTAL, Mode.PARTITION, Mode.SWEEP)
CHILD = "import sys; from cbm_etl_assets_tests.faults.test_thousand_operations import child; child(sys.argv[1])"


class Walk(Replication):
    """An armed load runs in a child that is killed; `struck` counts the kills."""

    def __init__(self) -> None:
        super().__init__()
        self.struck = 0

    def run(self, options: LoadOptions) -> LoadResult:
        if not self.armed:
            return super().run(options)
        job = self.home / "job.pickle"
        state = (self.home, self.spec, self.source.rows, self.source.now, self.source.shape, self.armed, options)
        job.write_bytes(pickle.dumps(state))
        command = [sys.executable, "-c", CHILD, str(job)]
        ended = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, f"not killed at '{self.armed}': {ended.returncode}\n{ended.stderr}"
        self.struck += 1
        raise Killed(self.armed)


class Doomed(Replication):
    """The load in the child: nothing of the machine but its seams."""

    def reach(self, seam: str) -> None:
        if seam == self.armed:
            os.kill(os.getpid(), signal.SIGKILL)


def child(path: str) -> None:
    home, spec, rows, now, shape, armed, options = pickle.loads(Path(path).read_bytes())
    load = Doomed.__new__(Doomed)
    load.platform, load.source = dict_platform(home, spec)
    load.source.rows, load.source.now, load.source.shape, load.source.at = rows, now, shape, load.reach
    load.spec, load.armed = spec, armed
    load.run(options)


def operations(walk: Walk, draw: random.Random) -> list[tuple[int, Callable[[], object]]]:
    """(weight, operation): the rules of the machine with values drawn from the seed."""

    def rows() -> list[tuple[str, str | None, int, int]]:
        labels = [None, "", "x", "y"]
        return [(draw.choice(KEYS), draw.choice(labels), draw.randrange(4), draw.randrange(10)) for _ in range(draw.randint(1, 6))]

    def key() -> str:
        return draw.choice(KEYS)

    return [
        (30, lambda: walk.put(rows())),
        (8, lambda: walk.remove([key() for _ in range(draw.randint(1, 2))])),
        (4, lambda: walk.respell(key(), draw.random() < 0.5)),
        (6, lambda: walk.break_value(key(), draw.random() < 0.6)),
        (3, lambda: walk.write_uncommitted(key()) if walk.dirty is None else walk.roll_back()),
        (2, lambda: walk.column_comes_or_goes(draw.randrange(4)) if walk.model.knows_nb is not None else None),
        (2, lambda: walk.column_is_widened(draw.choice([30, 60]))),
        (12, lambda: walk.tick(draw.choice([1, 20, 45, 180, 1500]))),
        (14, walk.incremental),
        (4, walk.full),
        (4, lambda: walk.sweep() if walk.model.complete else None),
        (5, lambda: walk.backfill(draw.randint(1, 12), draw.randint(1, 12))),
        (2, walk.replay),
        (1, lambda: walk.link_lost_once(draw.choice([Mode.FULL, Mode.INCREMENTAL]))),
    ]


def kill(walk: Walk, draw: random.Random) -> None:
    mode = draw.choice(LOADS)
    walk.killed(mode if walk.model.complete or mode is not Mode.SWEEP else Mode.FULL, draw.choice(KILL_AT))


def test_a_thousand_operations_with_fifty_kills_end_as_the_model() -> None:
    draw = random.Random(20261121)
    walk = Walk()
    try:
        walk.open(True)
        weights, actions = zip(*operations(walk, draw), strict=True)
        doomed = set(draw.sample(range(OPERATIONS), KILLS))
        for number in range(OPERATIONS):
            if number in doomed:
                kill(walk, draw)
            else:
                draw.choices(actions, weights)[0]()
        assert walk.struck == KILLS
        assert any(len(tiles) > 2 for tiles in walk.model.versions.values()), "a life worth the name"
    finally:
        walk.teardown()
