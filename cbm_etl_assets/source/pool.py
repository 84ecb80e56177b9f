"""The parent's side of the reader processes: start early, use again, watch, kill.

Owns process lifetimes and the no-progress watchdog. Knows the message format, nothing of SQL or Arrow.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from cbm_etl_assets.errors import TransientSourceError
from cbm_etl_assets.reliability.redact import redact
from cbm_etl_assets.source import messages

# Not from settings: those take 0.2 s of imports, and starting a reader is the first thing a load does.
_PACKAGE_PARENT = Path(__file__).parents[2]
_STDERR_CHARS = 500
_CLOSE_SECONDS = 5.0
_LOOK_SECONDS = 1.0  # how soon a cancelled wait ends
# Importing arrow, polars and the driver takes under a second; on a machine that swaps it may take a minute, never longer.
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Watch:
    """How long and on whose behalf to wait for an answer. `what` begins the messages about it."""

    stall_seconds: float
    what: str = "The read"
    progress: Callable[[int, int], None] | None = None
    cancelled: Callable[[], bool] = lambda: False


class Worker:
    """One reader process. Used by one thread at a time."""

    def __init__(self) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-X", "utf8", "-m", "cbm_etl_assets.source.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=_PACKAGE_PARENT,  # -m finds the package there, installed or not
            start_new_session=True,  # Ctrl-C reaches the parent only, which then closes the reader in order
        )
        self._stdin, self._stdout = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        self._events: queue.Queue[messages.Message | None] = queue.Queue()
        self._is_ready = False
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def call(self, request: messages.Message, watch: Watch) -> messages.Message:
        """Send one request, wait for its answer. Raises: the typed error of the answer; TransientSourceError when the process
        died or when neither rows nor bytes moved for `stall_seconds`; the process is killed then, and when the caller is interrupted.
        """
        answered = False
        try:
            self._send(request, watch)
            answer = self._wait(watch)
            answered = True
        finally:
            if not answered:
                self.kill()
        if answer["event"] == "error":
            raise messages.load_error(answer)
        return answer

    def kill(self) -> None:
        """At once and for good; collects the process so that no zombie stays."""
        self._process.kill()
        self._collect()

    def close(self) -> None:
        """Closing stdin ends the process in order; one that does not end is killed."""
        if not self._stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # it died before: nothing left to close
                self._stdin.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._collect()

    def _collect(self) -> None:
        self._process.wait()
        self._reader.join(_CLOSE_SECONDS)
        for stream in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(BrokenPipeError):  # unsent bytes to a dead process
                stream.close()

    def _send(self, request: messages.Message, watch: Watch) -> None:
        try:
            self._stdin.write(messages.dump(request))
            self._stdin.flush()
        except OSError:
            raise self._died(watch) from None

    def _wait(self, watch: Watch) -> messages.Message:
        patience = watch.stall_seconds if self._is_ready else max(watch.stall_seconds, _START_SECONDS)
        seen, deadline = (0, 0), time.monotonic() + patience
        while True:
            event = self._next_event(watch, deadline, seen[0])
            kind = event["event"]
            if kind in ("done", "error"):
                return event
            if kind == "ready":
                self._is_ready = True
                deadline = time.monotonic() + watch.stall_seconds
            elif (now := (event["rows"], event["bytes"])) != seen:
                seen, deadline = now, time.monotonic() + watch.stall_seconds
                if watch.progress is not None:
                    watch.progress(*now)

    def _next_event(self, watch: Watch, deadline: float, rows: int) -> messages.Message:
        while not watch.cancelled():
            left = deadline - time.monotonic()
            with contextlib.suppress(queue.Empty):
                event = self._events.get(timeout=min(max(left, 0.0), _LOOK_SECONDS))
                if event is None:
                    raise self._died(watch)
                return event
            if left <= 0:
                raise TransientSourceError(
                    f"{watch.what}: nothing arrived for {watch.stall_seconds:g} s after {rows:,} rows: the link is stalled; "
                    "the reader was ended.",
                    remedy="look at the network and the server; CBM_SOURCE__STALL_TIMEOUT_SECONDS sets the patience",
                )
        raise TransientSourceError(f"{watch.what}: ended because another part of the same extraction failed.")

    def _died(self, watch: Watch) -> TransientSourceError:
        self._process.kill()
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return TransientSourceError(
            f"{watch.what}: the reader process died ({how}); the driver may have crashed. {self._last_words()}".strip()
        )

    def _last_words(self) -> str:
        self._stderr.seek(0)
        return redact(" ".join(self._stderr.read().decode(errors="replace").split())[-_STDERR_CHARS:])

    def _listen(self) -> None:
        with contextlib.suppress(ValueError):  # half a line of a process that was killed, or a pipe closed here: it is over
            for line in self._stdout:
                self._events.put(messages.load(line))
        self._events.put(None)


class WorkerPool:
    """Idle workers wait for the next request; the one used last is taken first."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _close_all, self._idle)

    def warm(self, count: int = 1) -> None:
        """Start processes now; they import while the caller does something else. Returns at once."""
        with self._lock:
            self._idle += [Worker() for _ in range(count - len(self._idle))]

    def call(self, request: messages.Message, watch: Watch) -> messages.Message:
        """As `Worker.call`, on an idle or a new worker."""
        worker = self._take()
        try:
            return worker.call(request, watch)
        finally:
            if worker.is_alive:
                with self._lock:
                    self._idle.append(worker)

    def close(self) -> None:
        with self._lock:
            workers, self._idle[:] = list(self._idle), []
        _close_all(workers)

    def _take(self) -> Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive:
                    return worker
                worker.kill()
        return Worker()


def _close_all(workers: list[Worker]) -> None:
    while workers:
        workers.pop().close()
