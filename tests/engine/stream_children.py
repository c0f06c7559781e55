"""Processes that search streamed rows: see :mod:`tests.engine.child`."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
import warnings

import numpy as np

from knnc.engine.index import Index
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.scan.streamed import StreamedRows
from knnc.engine.system.progress import progress
from tests.engine.child import Report, clocks, is_exact, random_rows, run


def interrupt_slow_disk() -> Report:
    """Send SIGINT to a search that waits for rows, which take half a minute a chunk to come."""
    rows = random_rows(1, 3000, 400)
    streamed = StreamedRows(rows, "sqeuclidean", None, 0)
    expected = streamed.search(rows[:5], 3, 2, NO_SELF, None)
    pack, released = StreamedRows._read, threading.Event()
    StreamedRows._read = lambda *args: (released.wait(30), pack(*args))[1]  # type: ignore[method-assign]
    sent: list[tuple[float, float]] = []

    def send() -> None:
        sent.append(clocks())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(0.2, send).start()
    raised = "nothing"
    try:
        streamed.search(rows[:5], 3, 2, NO_SELF, None)
    except KeyboardInterrupt:
        raised = "KeyboardInterrupt"
    end = clocks()
    released.set()
    answer = streamed.search(rows[:5], 3, 2, NO_SELF, None)
    return {
        "raised": raised,
        "latency": np.subtract(end, sent[0]).tolist(),
        "exact_after": all(map(np.array_equal, answer, expected)),
    }


def interrupt_streams() -> Report:
    """Interrupt short searches of rows in chunks at any moment, again and again for two seconds."""
    rows = random_rows(1, 60_000, 64)
    index, queries = Index(rows, max_memory=0), rows[:1].copy()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    rng = np.random.default_rng(0)
    interrupts, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.01))
            # Not for ever: what is raised in the callback of a weak reference is lost.
            last = time.monotonic() + 0.5
            while time.monotonic() < last:
                index.search(queries, 5)
            signal.setitimer(signal.ITIMER_REAL, 0)
            time.sleep(0)  # hears a signal that came just before
        except KeyboardInterrupt:
            interrupts += 1
    deadline = time.monotonic() + 20
    while _thread._count() and time.monotonic() < deadline:
        time.sleep(0.01)
    return {
        "interrupts": interrupts,
        "threads": _thread._count(),
        "exact_after": is_exact(index, rows, queries, 5, "sqeuclidean"),
    }


def fork_in_stream() -> Report:
    """Fork a search of rows in chunks where it tells how far it is; the child goes on."""
    rows = random_rows(1, 60_000, 64)
    index, queries = Index(rows, max_memory=0), rows[:40].copy()
    reader, writer = os.pipe()
    forked: list[int] = []

    def fork(done: int, total: int) -> None:
        if not forked:
            with warnings.catch_warnings():  # Python's own word on forking a process with threads
                warnings.simplefilter("ignore", DeprecationWarning)
                forked.append(os.fork())
            if forked == [0]:
                signal.alarm(60)

    try:
        with progress(fork):
            exact = is_exact(index, rows, queries, 5, "sqeuclidean", 1)
    except RuntimeError as error:
        os.write(writer, str(error).encode())
    if forked == [0]:
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    return {"child": said, "status": os.waitpid(forked[0], 0)[1], "exact": exact}


if __name__ == "__main__":
    run(globals())
