"""Ctrl-C and SIGTERM during an in-process launch.

Dagster puts its own handlers in place while it runs: the step ends, the run is closed, the exception is kept, a SIGTERM looks
like a Ctrl-C, and afterwards SIGTERM has SIGINT's handler. Here the signal is noted beside the handlers, the process's own
handlers come back, and the first signal is sent again to whoever it was meant for.
"""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts_raised_after() -> Iterator[None]:
    """Raises: what the process's own handler of the signal raises, once the body has closed its run."""
    if threading.current_thread() is not threading.main_thread():  # only there may handlers be set
        yield
        return
    handlers = {signum: signal.getsignal(signum) for signum in STOPPING}
    reader, writer = socket.socketpair()
    with closing(reader), closing(writer):
        reader.setblocking(False)
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            for signum, handler in handlers.items():
                signal.signal(signum, handler)
        received = [signum for signum in _read(reader) if signum in STOPPING]
    if received:
        signal.raise_signal(received[0])


def _read(reader: socket.socket) -> bytes:
    try:
        return reader.recv(4096)
    except BlockingIOError:
        return b""
