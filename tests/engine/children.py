"""What tests run in a process of its own: ``python -m tests.engine.children FUNCTION ARG...``.

Each function returns what it saw as a dict, printed as one line of JSON; the test judges it.
"""

from __future__ import annotations

import _thread
import ctypes
import json
import mmap
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from knnc.engine import index as index_module
from knnc.engine.codes.kinds import learn_quantizer
from knnc.engine.codes.rows import CodedRows
from knnc.engine.dispatch import all_kernels, available_kernels
from knnc.engine.index import Index
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.scan.coded import search as search_pruned
from knnc.engine.scan.streamed import StreamedRows
from knnc.engine.system.blas import one_blas_thread
from knnc.engine.system.progress import progress
from knnc.engine.system.threads import effective_n_threads
from tests.engine.prune_support import blobs
from tests.oracle import Bytes, oracle_kneighbors

Report = dict[str, Any]
METRICS = ("sqeuclidean", "manhattan", "chebyshev", "hamming")
ENOUGH = 0.1  # seconds of CPU time left to another thread


def _draw(seed: int, n: int, d: int, high: int = 256) -> Bytes:
    return np.random.default_rng(seed).integers(0, high, size=(n, d), dtype=np.uint8)


def _is_exact(
    index: Index, rows: Bytes, queries: Bytes | None, k: int, metric: str, n_threads: int = 2
) -> bool:
    answer = index.search(queries, k, n_threads=n_threads)
    expected = oracle_kneighbors(rows, queries, k, metric)
    return all(map(np.array_equal, answer, expected))


# --- kernels ---


def dispatch() -> Report:
    """What KNNC_DISABLE_CPU_FEATURES makes of the choice of kernels."""
    rows, queries = _draw(1, 300, 70), _draw(2, 9, 70)
    report: Report = {"all": all_kernels(), "available": available_kernels()}
    indexes = {metric: Index(rows, metric) for metric in METRICS}
    report["chosen"] = {metric: index.kernel for metric, index in indexes.items()}
    report["exact"] = {
        metric: _is_exact(index, rows, queries, 5, metric) for metric, index in indexes.items()
    }
    report["refused"] = {}
    for name in all_kernels():
        try:
            Index(rows, name.split("_")[0], kernel=name)
            report["refused"][name] = False
        except (ValueError, RuntimeError):
            report["refused"][name] = True
    return report


def _guarded(values: Bytes) -> Bytes:
    """A copy whose last byte is followed by a page that may not be touched."""
    page = mmap.PAGESIZE
    pages = -(-values.nbytes // page)
    room = mmap.mmap(-1, (pages + 1) * page)
    memory = np.frombuffer(room, dtype=np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    end = memory.ctypes.data + pages * page
    if libc.mprotect(ctypes.c_void_p(end), ctypes.c_size_t(page), 0) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    view = memory[pages * page - values.nbytes : pages * page].reshape(values.shape)
    view[:] = values
    return view


def search_at_the_end_of_memory(kernel: str) -> Report:
    """Search rows and queries with a forbidden page right behind them."""
    if sys.platform == "win32":
        return {"skip": "mprotect is not a function of Windows", "searches": 0}
    metric = kernel.split("_")[0]
    searches = 0
    for d in [*range(1, 35), 47, 48, 49, 63, 64, 65, 127, 128, 129, 257, 784, 33_026]:
        for n, q in ((17, 3), (49, 13)) if d < 1000 else ((17, 3),):
            rows, queries = _guarded(_draw(n, n, d)), _guarded(_draw(q, q, d))
            index = Index(rows, metric, kernel=kernel)
            if not _is_exact(index, rows, queries, 1, metric):
                raise AssertionError(f"wrong answer with {n=} {d=} {q=}")
            index.search(None, 1, n_threads=2)
            searches += 1
    return {"skip": "", "searches": searches}


# --- threads ---


def count_threads() -> Report:
    """How many threads None and 3 stand for."""
    return {"none": effective_n_threads(None), "literal": effective_n_threads(3)}


def _own_threads() -> int | None:
    """How many threads this process has, where the system tells."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else None


def _search_and_report(indexes: list[Index], rows: Bytes) -> Report:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exact = all(
            _is_exact(index, rows, queries, 5, "sqeuclidean", n_threads=2)
            for queries in (rows[:60].copy(), rows[:1].copy())
            for index in indexes
        )
    return {
        "exact": exact,
        "threads": _own_threads(),
        "warnings": [str(warning.message) for warning in caught],
        "categories": [warning.category.__name__ for warning in caught],
    }


def _in_fork(function: Callable[[], Report]) -> Report:
    reader, writer = os.pipe()
    with warnings.catch_warnings():  # Python's own word on forking a process with threads
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(90)  # a child that hangs ends, and its parent says so
            os.write(writer, json.dumps(function()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    if status != 0:
        raise AssertionError(f"the forked child hung or broke: status {status}")
    report: Report = json.loads(said)
    return report


def search_after_fork(before: str) -> Report:
    """Search in a child and in its child, after OpenMP was or was not used before the fork."""
    rows = _draw(3, 5_000, 40, high=4)
    indexes = [Index(rows, "sqeuclidean", algorithm=name) for name in ("brute", "pruned")]
    if before == "searched":
        for index in indexes:
            index.search(rows, 3, n_threads=2)
    elif before == "scikit-learn":
        from sklearn.metrics import pairwise_distances_argmin

        pairwise_distances_argmin(rows[:600].astype(float), rows[600:1200].astype(float))

    def child() -> Report:
        mine = _search_and_report(indexes, rows)
        return {"child": mine, "grandchild": _in_fork(lambda: _search_and_report(indexes, rows))}

    report = _in_fork(child)
    parent = _search_and_report(indexes, rows)
    return {**report, "parent": {key: parent[key] for key in ("exact", "warnings")}}


_shared: tuple[Index, Bytes] | None = None


def _pool_task(start: int) -> bool:
    assert _shared is not None
    index, rows = _shared
    return _is_exact(index, rows, rows[start : start + 50].copy(), 4, "manhattan", n_threads=2)


def search_in_fork_pool() -> Report:
    """Several forked workers at once search the index their parent built and searched."""
    import multiprocessing

    global _shared
    rows = _draw(4, 3_000, 30, high=4)
    _shared = (Index(rows, "manhattan"), rows)
    _shared[0].search(rows, 3, n_threads=2)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        return {"exact": pool.map_async(_pool_task, range(0, 300, 50)).get(timeout=90)}


def fork_inside_a_block() -> Report:
    """Enter a block of one BLAS thread in a child, forked while a thread was in such a block."""
    inside, leave = threading.Event(), threading.Event()

    def enter() -> None:
        with one_blas_thread():
            inside.set()
            leave.wait(timeout=60)

    def child() -> Report:
        with one_blas_thread():
            return {"inside": True}

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    held = inside.wait(timeout=60)
    report = _in_fork(child)
    leave.set()
    thread.join(timeout=60)
    return {"inside": [held, report["inside"]]}


# --- interruption ---


def _long_search(index: Index, pool: Bytes, seconds: float) -> Bytes:
    """As many of these queries as keep the index busy for so many seconds on one thread."""
    probe, took = pool[:1024], []
    for _ in range(5):  # the first makes ready; a busy machine makes some slow: the fastest counts
        start = time.perf_counter()
        index.search(probe, 5, n_threads=1)
        took.append(time.perf_counter() - start)
    each = min(took) / len(probe)
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
        probe = _draw(9, 3, self.rows.shape[1])
        return _is_exact(self.index, self.rows, probe, 5, self.index.metric)


def _prepare(kernel: str, form: str, seconds: float) -> _Search:
    """``kernel`` is a name, or "best" and a metric; ``seconds`` is for one thread."""
    best, _, metric = kernel.rpartition(" ")
    metric, forced = (metric, None) if best else (kernel.split("_")[0], kernel)
    if form == "few queries":  # two of them, on wide rows, again and again
        rows = np.resize(_draw(7, 64, 40_000), (4_000, 40_000))
        search = _Search(Index(rows, metric, kernel=forced), rows, _draw(8, 2, 40_000), 5)
        start = time.perf_counter()
        search.run()
        search.repeat = 1 + int(seconds / (time.perf_counter() - start))
        return search
    if form == "all rows wanted":  # selection is then most of the work
        rows = _draw(7, 40_000, 16)
        return _Search(Index(rows, metric, kernel=forced), rows, _draw(8, 520, 16), len(rows))
    if form == "one query, all rows wanted":  # to put them in order is nearly all of the work
        rows = _draw(7, 2_000_000, 4)
        return _Search(Index(rows, metric, kernel=forced), rows, _draw(8, 1, 4), len(rows))
    if form == "tiny rows":  # and then the least of it
        rows = _draw(7, 5, 2)
        index = Index(rows, metric, kernel=forced)
        return _Search(index, rows, np.resize(_draw(8, 4096, 2), (20_000_000, 2)), 1)
    if form == "pruned queries":  # rows around a hundred others, so that most are ruled out
        rows = np.resize(_draw(7, 100, 784, high=200), (20_000, 784))
        rows += _draw(8, 20_000, 784, high=50)
        index = Index(rows, metric, algorithm="pruned", kernel=forced)
        return _Search(index, rows, _long_search(index, rows[:4096].copy(), seconds), 5)
    rows = _draw(7, 20_000, 784)
    index = Index(rows, metric, kernel=forced)
    queries = _long_search(index, _draw(6, 4096, 784), seconds)
    if form == "queries":
        return _Search(index, rows, queries, 5)
    assert form == "leave one out"
    n = int((len(rows) * len(queries)) ** 0.5)  # as much work among themselves
    rows = np.resize(rows, (n, 784))
    return _Search(Index(rows, metric, kernel=forced), rows, None, 5)


def _clocks() -> tuple[float, float]:
    """Time of the day, and of this process on all CPUs: a busy machine adds to the first only."""
    return time.monotonic(), time.process_time()


def interrupt(kernel: str, form: str) -> Report:
    """Send SIGINT to a search 0.4 s old and see how soon and how well it ends."""
    search = _prepare(kernel, form, 8.0)
    sent: list[tuple[float, float]] = []

    def send() -> None:
        sent.append(_clocks())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.4, send)
    raised = "nothing: the search had come to its end"
    try:
        timer.start()
        search.run()
    except KeyboardInterrupt:
        raised = "KeyboardInterrupt"
    end = _clocks()
    timer.cancel()
    return {
        "raised": raised,
        "latency": np.subtract(end, sent[0]).tolist() if sent else None,
        "exact_after": search.is_exact(),
    }


def interrupt_slow_disk() -> Report:
    """Send SIGINT to a search that waits for rows, which take half a minute a chunk to come."""
    rows = _draw(1, 3000, 400)
    streamed = StreamedRows(rows, "sqeuclidean", None, 0)
    expected = streamed.search(rows[:5], 3, 2, NO_SELF, None)
    pack, released = StreamedRows._pack, threading.Event()
    StreamedRows._pack = lambda *args: (released.wait(30), pack(*args))[1]  # type: ignore[method-assign]
    sent: list[tuple[float, float]] = []

    def send() -> None:
        sent.append(_clocks())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(0.2, send).start()
    raised = "nothing"
    try:
        streamed.search(rows[:5], 3, 2, NO_SELF, None)
    except KeyboardInterrupt:
        raised = "KeyboardInterrupt"
    end = _clocks()
    released.set()
    answer = streamed.search(rows[:5], 3, 2, NO_SELF, None)
    return {
        "raised": raised,
        "latency": np.subtract(end, sent[0]).tolist(),
        "exact_after": all(map(np.array_equal, answer, expected)),
    }


def interrupt_streams() -> Report:
    """Interrupt short searches of rows in chunks at any moment, again and again for two seconds."""
    rows = _draw(1, 60_000, 64)
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
        "exact_after": _is_exact(index, rows, queries, 5, "sqeuclidean"),
    }


def fork_while_deciding() -> Report:
    """Fork while a thread decides on codes, for rows that get them after many queries."""
    index_module.MIN_BYTES = index_module.MIN_ROWS = index_module.LATE_QUERIES = 1
    rows = blobs(2_000, 64, 10, 55)
    index = Index(rows)
    begun, ended = threading.Event(), threading.Event()

    def win(index: Index, pruned: CodedRows, n_threads: int) -> bool:
        if not begun.is_set():
            begun.set()
            ended.wait(100)
        return True

    Index._is_faster = win  # type: ignore[method-assign]
    deciding = threading.Thread(target=index.search, args=(rows[:50].copy(), 5))
    deciding.start()
    begun.wait(60)

    def child() -> Report:
        exact = _is_exact(index, rows, rows[:50].copy(), 5, "sqeuclidean")
        return {"is_pruned": index.is_pruned, "exact": exact}

    report = {"child": _in_fork(child)}
    ended.set()
    deciding.join()
    return report | {"is_pruned": index.is_pruned}


def fork_in_stream() -> Report:
    """Fork a search of rows in chunks where it tells how far it is; the child goes on."""
    rows = _draw(1, 60_000, 64)
    index, queries = Index(rows, max_memory=0), rows[:300].copy()
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
            exact = _is_exact(index, rows, queries, 5, "sqeuclidean", 1)
    except RuntimeError as error:
        os.write(writer, str(error).encode())
    if forked == [0]:
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    return {"child": said, "status": os.waitpid(forked[0], 0)[1], "exact": exact}


def listen(kernel: str, form: str) -> Report:
    """A signal every 20 ms, with a handler that returns: the longest time without a hearing."""
    search = _prepare(kernel, form, 1.5)
    heard: list[tuple[float, float]] = []
    signal.signal(signal.SIGALRM, lambda number, frame: heard.append(_clocks()))
    start = _clocks()
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    search.run()
    end = _clocks()
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
    """CPU time that another Python thread has while this one works, 20 times at most.

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
    for _ in range(20):
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
    rows = _draw(13, 4096, 256)
    coder = learn_quantizer(rows, metric, (32, 97) if metric == "sqeuclidean" else (8, 4), None, 1)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        coder.encode(rows, 1)
        took.append(time.perf_counter() - start)
    rows = np.resize(rows, (min(2**20, int(0.6 / min(took) * len(rows))), 256))
    heard: list[tuple[float, float]] = []
    signal.signal(signal.SIGALRM, lambda number, frame: heard.append(_clocks()))
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    coder.encode(rows, 1)
    signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = _seconds_left_to_others(lambda: coder.encode(rows, 1))
    return {"heard": len(heard), "left_to_others": seconds}


def watch_long_search() -> Report:
    """How often the callback is called in a search of a second or so."""
    rows = _draw(11, 20_000, 256)
    index = Index(rows, "sqeuclidean")
    queries = _long_search(index, _draw(6, 4096, 256), 1.5)
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
    rows = _draw(12, 20_000, 256)
    index = Index(rows, "sqeuclidean")
    queries = _long_search(index, _draw(6, 4096, 256), 0.5)

    def work() -> None:
        index.search(queries, 5, n_threads=int(n_threads))

    return {"left_to_others": _seconds_left_to_others(work)}


def search_made_up_codes() -> Report:
    """Searches with restored codes whose terms somebody made up, for tiles that are not full."""
    rng = np.random.default_rng(14)
    low_rank = rng.normal(size=(480, 6)) @ rng.normal(size=(6, 100))
    rows = np.ascontiguousarray(np.clip(128 + 20 * low_rank, 0, 255).astype(np.uint8))
    searches = 0
    for kernel in [name for name in available_kernels() if name.startswith("sqeuclidean")]:
        state = Index(rows, algorithm="pruned", kernel=kernel)._pruned.state()  # type: ignore[union-attr]
        coarse = state["coarse"]
        terms = coarse["terms"].copy().reshape(len(state["coder"]["stages"]), -1)
        for low in (-(2**31), -(2**20)):
            terms[:, :480] = rng.integers(low, -low, size=(len(terms), 480)).astype(np.int32)
            made_up = CodedRows.restored(
                {**state, "coarse": {**coarse, "terms": terms.ravel()}},
                rows,
                "sqeuclidean",
                kernel,
            )
            for n_queries in range(1, 10):
                search_pruned(made_up, rows[:n_queries].copy(), 3, 1, NO_SELF, None)
                searches += 1
    return {"searches": searches}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
