"""The reader process: `python -m cbm_etl_assets.source.worker`, requests on stdin, events on stdout, one JSON line each.

Owns the loop and the way out. A driver that crashes takes this process with it and nothing else. The connection string comes
over stdin, never in arguments or the environment, where every user of the machine could read it.

The process serves one request at a time and is used again for the next table: starting one costs 0.7 s of imports. It ends
when its stdin closes (a parent that was killed closes it too) or when its parent is no longer the one that started it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from typing import Any, BinaryIO

from cbm_etl_assets.errors import CbmError, SourceError
from cbm_etl_assets.reliability.redact import redact
from cbm_etl_assets.source import messages

_PARENT_CHECK_SECONDS = 2.0
_ORPHANED = 3

Emit = Callable[[messages.Message], None]


def main() -> None:
    requests: queue.Queue[messages.Message] = queue.Queue()
    emit = _private_stdout()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    _leave_with_parent(os.getppid())
    _import_driver()
    emit({"event": "ready"})
    threading.Thread(target=_import_extraction, daemon=True).start()
    while True:
        _serve(requests.get(), emit)


def _private_stdout() -> Emit:
    """Events go to a descriptor of their own; whatever a driver prints goes to stderr instead of into the protocol."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    lock = threading.Lock()

    def emit(message: messages.Message) -> None:
        line = memoryview(messages.dump(message))
        with lock:
            while line:
                line = line[out.write(line) or 0 :]

    return emit


def _listen(stdin: BinaryIO, requests: queue.Queue[messages.Message]) -> None:
    for line in stdin:
        requests.put(messages.load(line))
    os._exit(0)  # the parent is gone or has closed us: a fetch in the driver cannot be asked to stop, the process can


def _leave_with_parent(parent: int) -> None:
    """A copy of the pipe in a forked sibling would keep stdin open after the parent's death; the parent's id tells."""

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(_PARENT_CHECK_SECONDS)
        os._exit(_ORPHANED)

    if os.name != "nt":
        threading.Thread(target=watch, daemon=True).start()


def _import_driver() -> None:
    """All that a small question needs. Paid while the parent is still reading its specs; a missing library is an answer to a request."""
    # At its import numpy starts one BLAS thread a core; they spin for 50 ms and never get work here.
    os.putenv("OPENBLAS_NUM_THREADS", "1")
    try:
        from cbm_etl_assets.source import small_query  # noqa: F401
        from cbm_etl_assets.source.driver import import_arrow_odbc

        import_arrow_odbc()
    except CbmError:
        return


def _import_extraction() -> None:
    """Half of the imports (polars), paid while the source's clock is asked; a request that comes sooner waits for the import's lock."""
    with contextlib.suppress(CbmError):  # the request gets the same error and answers with it
        import_module("cbm_etl_assets.source.extraction")


def _serve(request: messages.Message, emit: Emit) -> None:
    secret = str(request.get("connection_string", ""))
    try:
        answer = _HANDLERS[request["op"]](request, emit)
    except CbmError as error:
        answer = messages.dump_error(error)
    except BaseException as error:  # noqa: BLE001  polars panics are BaseException; the parent gets an answer and raises it
        answer = messages.dump_error(SourceError(f"The reader failed: {type(error).__name__}: {error}"))
    for key in ("message", "remedy"):
        if key in answer:
            answer[key] = redact(answer[key], [secret] if secret else [])
    emit(answer)


def _extract(request: messages.Message, emit: Emit) -> messages.Message:
    from cbm_etl_assets.source.extraction import extract
    from cbm_etl_assets.source.requests import extract_job

    done = extract(extract_job(request), lambda rows, size: emit({"event": "progress", "rows": rows, "bytes": size}))
    return {
        "event": "done", "file": done.file.model_dump(), "high_water": done.high_water and done.high_water.isoformat(),
        "reader": done.reader, "cap": done.cap, "cleaned": done.cleaned, "bad": [asdict(row) for row in done.bad],
    }  # fmt: skip


def _query(request: messages.Message, emit: Emit) -> messages.Message:
    from cbm_etl_assets.source.small_query import run_query

    return {"event": "done", "ipc": run_query(request)}


def _catalogue(request: messages.Message, emit: Emit) -> messages.Message:
    from cbm_etl_assets.source.odbc_catalogue import describe

    return {"event": "done", "result": describe(request)}


_HANDLERS: dict[str, Callable[[messages.Message, Emit], dict[str, Any]]] = {"extract": _extract, "query": _query, "catalogue": _catalogue}


if __name__ == "__main__":
    main()
