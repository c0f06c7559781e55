"""Processes that get signals, or share the interpreter's lock: see :mod:`tests.engine.child`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from knnc.engine.codes.kinds import learn_quantizer
from knnc.engine.index import Index
from knnc.engine.system.progress import progress
from tests.engine.child import Report, clocks, is_exact, random_rows, run
from tests.oracle import Bytes, oracle_kneighbors

ENOUGH = 0.1  # seconds of CPU time left to another thread


def long_search(index: Index, pool: Bytes, seconds: float) -> Bytes:
    """As many of these queries as keep the index busy for so many seconds on one thread."""
    index.search(pool[:1], 5, n_threads=1)  # makes ready
    for n_probed in (4, 128):  # the more only where they take no time
        took = []
        for _ in range(3):  # a busy machine makes some slow: the fastest counts
            start = time.perf_counter()
            index.search(pool[:n_probed], 5, n_threads=1)
            took.append(time.perf_counter() - start)
        if min(took) > 0.02:
            break
    each = min(took) / n_probed
    most = 2**30 // pool.shape[1]  # a gigabyte of queries is enough on any machine
    return np.resize(pool, (min(most, int(seconds / each)), pool.shape[1]))


@dataclass
class _Search:
    """A search of a second or more, by its form, and a check of the same index."""

    index: Index
    rows: Bytes
    queries: Bytes | None
    k: int
    repeat: int = 1

    def run(self) -> None:
        for _ in range(self.repeat):
            self.index.search(self.queries, self.k, n_threads=2)

    def is_exact(self) -> bool:
        probe = random_rows(9, 3, self.rows.shape[1])
        return is_exact(self.index, self.rows, probe, 5, self.index.metric)


def _prepare(kernel: str, form: str, seconds: float) -> _Search:
    """``kernel`` is a name, or "best" and a metric; ``seconds`` is for one thread."""
    best, _, metric = kernel.rpartition(" ")
    metric, forced = (metric, None) if best else (kernel.split("_")[0], kernel)
    if form == "few queries":  # two of them, on wide rows, again and again
        rows = np.resize(random_rows(7, 64, 40_000), (4_000, 40_000))
        search = _Search(Index(rows, metric, kernel=forced), rows, random_rows(8, 2, 40_000), 5)
        start = time.perf_counter()
        search.run()
        search.repeat = 1 + int(seconds / (time.perf_counter() - start))
        return search
    if form == "all rows wanted":  # selection is then most of the work
        rows = random_rows(7, 40_000, 16)
        return _Search(Index(rows, metric, kernel=forced), rows, random_rows(8, 520, 16), len(rows))
    if form == "one query, all rows wanted":  # to put them in order is nearly all of the work
        rows = random_rows(7, 2_000_000, 4)
        return _Search(Index(rows, metric, kernel=forced), rows, random_rows(8, 1, 4), len(rows))
    if form == "tiny rows":  # and then the least of it
        rows = random_rows(7, 5, 2)
        index = Index(rows, metric, kernel=forced)
        return _Search(index, rows, np.resize(random_rows(8, 4096, 2), (20_000_000, 2)), 1)
    if form == "pruned queries":  # rows around a hundred others, so that most are ruled out
        rows = np.resize(random_rows(7, 100, 784, high=200), (20_000, 784))
        rows += random_rows(8, 20_000, 784, high=50)
        index = Index(rows, metric, algorithm="pruned", kernel=forced)
        return _Search(index, rows, long_search(index, rows[:4096].copy(), seconds), 5)
    rows = random_rows(7, 20_000, 784)
    index = Index(rows, metric, kernel=forced)
    queries = long_search(index, random_rows(6, 4096, 784), seconds)
    if form == "queries":
        return _Search(index, rows, queries, 5)
    assert form == "leave one out"
    n = int((len(rows) * len(queries)) ** 0.5)  # as much work among themselves
    rows = np.resize(rows, (n, 784))
    return _Search(Index(rows, metric, kernel=forced), rows, None, 5)


def each(function: str, *cases: str) -> Report:
    """The report of `interrupt` or `listen` for each "kernel, form", one after the other.

    What the standard error says last is the case that hangs or breaks.
    """
    report = {}
    for case in cases:
        print(case, file=sys.stderr, flush=True)
        report[case] = globals()[function](*case.split(", ", 1))
    return report


def interrupt(kernel: str, form: str) -> Report:
    """Send SIGINT to a search 0.4 s old and see how soon and how well it ends."""
    search = _prepare(kernel, form, 8.0)
    sent: list[tuple[float, float]] = []

    def send() -> None:
        sent.append(clocks())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.4, send)
    raised = "nothing: the search had come to its end"
    try:
        timer.start()
        search.run()
    except KeyboardInterrupt:
        raised = "KeyboardInterrupt"
    end = clocks()
    timer.cancel()
    return {
        "raised": raised,
        "latency": np.subtract(end, sent[0]).tolist() if sent else None,
        "exact_after": search.is_exact(),
    }


def listen(kernel: str, form: str) -> Report:
    """A signal every 20 ms, with a handler that returns: the longest time without a hearing."""
    search = _prepare(kernel, form, 1.5)
    heard: list[tuple[float, float]] = []
    signal.signal(signal.SIGALRM, lambda number, frame: heard.append(clocks()))
    start = clocks()
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    search.run()
    end = clocks()
    signal.setitimer(signal.ITIMER_REAL, 0)
    times = [start, *(moment for moment in heard if moment <= end), end]
    silences = np.diff(times, axis=0)
    return {
        "seconds": end[0] - start[0],
        "heard": len(times) - 2,
        "longest_silence": silences[silences.min(axis=1).argmax()].tolist(),
        "exact_after": search.is_exact(),
    }


def _seconds_left_to_others(work: Callable[[], object]) -> float:
    """CPU time that another Python thread has while this one works, 60 times at most.

    No thread is made to give up the interpreter's lock, so it is what is given freely: next to
    nothing by work that keeps the lock, and enough by other work, on a busy machine a little later.
    """
    stop, spent = threading.Event(), 0.0

    def spin() -> None:
        nonlocal spent
        while not stop.is_set():
            for _ in range(1000):
                pass
            spent = time.thread_time()
            time.sleep(0)  # gives up the lock

    other, interval = threading.Thread(target=spin), sys.getswitchinterval()
    sys.setswitchinterval(1000)
    other.start()
    seconds = 0.0
    for _ in range(60):
        before = spent
        work()
        seconds += spent - before
        if seconds > ENOUGH:
            break
    sys.setswitchinterval(interval)
    stop.set()
    other.join()
    return seconds


def listen_while_coding(metric: str) -> Report:
    """Signals heard, and the time of another Python thread, while one thread codes rows."""
    rows = random_rows(13, 4096, 256)
    coder = learn_quantizer(rows, metric, (32, 97) if metric == "sqeuclidean" else (8, 4), None, 1)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        coder.encode(rows, 1)
        took.append(time.perf_counter() - start)
    rows = np.resize(rows, (min(2**20, int(0.6 / min(took) * len(rows))), 256))
    heard: list[tuple[float, float]] = []
    signal.signal(signal.SIGALRM, lambda number, frame: heard.append(clocks()))
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    coder.encode(rows, 1)
    signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = _seconds_left_to_others(lambda: coder.encode(rows, 1))
    return {"heard": len(heard), "left_to_others": seconds}


def watch_long_search() -> Report:
    """How often the callback is called in a search of a second or so."""
    rows = random_rows(11, 20_000, 256)
    index = Index(rows, "sqeuclidean")
    queries = long_search(index, random_rows(6, 4096, 256), 1.5)
    calls: list[tuple[int, int]] = []
    start = time.perf_counter()
    with progress(lambda done, total: calls.append((done, total))):
        answer = index.search(queries, 5, n_threads=2)
    seconds = time.perf_counter() - start
    expected = oracle_kneighbors(rows, queries[-9:], 5, "sqeuclidean")
    exact = np.array_equal(answer[1][-9:], expected[1])
    return {"calls": len(calls), "seconds": seconds, "exact": exact}


def share_lock(n_threads: str) -> Report:
    """The time that another Python thread has while the main thread searches."""
    rows = random_rows(12, 20_000, 256)
    index = Index(rows, "sqeuclidean")
    queries = long_search(index, random_rows(6, 4096, 256), 0.5)

    def work() -> None:
        index.search(queries, 5, n_threads=int(n_threads))

    return {"left_to_others": _seconds_left_to_others(work)}


if __name__ == "__main__":
    run(globals())
