"""Memory that tests measure in a process of its own: ``python -m tests.engine.peaks FUNCTION``.

Each function returns bytes as a dict, printed as one line of JSON; None where Linux does not tell.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from knnc import NearestNeighbors, config_context
from knnc.engine.codes import learning
from knnc.engine.index import Index

Report = dict[str, Any]
PROC = Path("/proc/self")


def _status(name: str) -> int:
    lines = (PROC / "status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def _peak_of(function: Callable[[], object]) -> int | None:
    """The most memory that a call uses above what there is before, in bytes."""
    try:
        (PROC / "clear_refs").write_text("5")  # the peak so far is forgotten
    except OSError:
        return None
    before = _status("VmRSS")
    function()
    return _status("VmHWM") - before


def _anonymous_peak_of(function: Callable[[], object]) -> int | None:
    """The same without pages of files, looked at 500 times a second."""
    if not PROC.exists():
        return None
    before = most = _status("RssAnon")
    ended = threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.002):
            most = max(most, _status("RssAnon"))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        function()
    finally:
        ended.set()
        watching.join()
    return most - before


def all_rows_wanted(n: str) -> Report:
    """One query, as many neighbours as rows, by their codes."""
    rows = np.random.default_rng(0).integers(0, 256, size=(int(n), 2), dtype=np.uint8)
    index = Index(rows, "sqeuclidean", algorithm="pruned")
    index.search(rows[:1], 5, n_threads=2)
    return {"peak": _peak_of(lambda: index.search(rows[:1], len(rows), n_threads=1))}


def coding(n_rows: str, n_features: str) -> Report:
    """Codes of rows, which are as many bytes as the rows if these have 192 features."""
    rows = np.random.default_rng(3).integers(0, 256, (int(n_rows), int(n_features)), np.uint8)
    Index(rows[:2_000], "sqeuclidean", algorithm="pruned")
    return {"peak": _peak_of(lambda: Index(rows, "sqeuclidean", algorithm="pruned"))}


def late_codes(n_rows: str) -> Report:
    """Packed rows, and the codes that take their place with the second batch of queries."""
    rng = np.random.default_rng(4)
    hidden = rng.normal(size=(int(n_rows), 12)).astype(np.float32)
    rows = np.clip(128 + hidden @ rng.normal(size=(12, 128)) * 9, 0, 255).astype(np.uint8)
    queries = rows[::9].copy()
    Index(rows[:2_000], algorithm="pruned").search(queries[:50], 5, n_threads=2)
    made: list[Index] = []

    def fit_and_search() -> None:
        made.append(Index(rows, n_threads=2))
        for _ in range(2):
            made[0].search(queries, 5, n_threads=2)

    return {"peak": _peak_of(fit_and_search), "bytes": rows.nbytes, "pruned": made[0].is_pruned}


def without_memory(algorithm: str) -> Report:
    """What an index of rows raises as the address space grows, until there is room for one."""
    import resource

    rows = np.random.default_rng(5).integers(0, 256, size=(60_000, 400), dtype=np.uint8)
    Index(rows[:2_000], algorithm=algorithm).search(rows[:50], 5)
    errors: list[str] = []
    for more in range(1, 2000, 8):
        limit = _status("VmSize") + (more << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        try:
            index = Index(rows, algorithm=algorithm)
            break
        except Exception as error:
            errors.append("MemoryError" if isinstance(error, MemoryError) else repr(error))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    return {"errors": errors, "afterwards": bool(index.search(rows[:50], 1)[0].max() == 0)}


def streamed_rows(path: str, n_features: str, max_memory: str) -> Report:
    """Searches of all kinds of rows in a file: the peak, with private memory limited besides."""
    import resource

    rows = np.memmap(path, np.uint8, mode="r").reshape(-1, int(n_features))
    queries = np.ascontiguousarray(rows[:: len(rows) // 50])
    where = np.arange(0, len(rows), 2)

    def search(rows: np.ndarray, where: np.ndarray) -> Index:
        index = Index(rows, max_memory=int(max_memory))
        index.search(queries, 3, n_threads=2)
        index.within(queries, 1000, n_threads=2)
        part = index.streamed_among(where)
        if part is not None:
            part.search(queries, 3, 2, 0, None)
        return index

    search(rows[:100_000], where[:50_000])
    limit = _status("VmData") + int(max_memory) + (96 << 20)  # threads and their stacks
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    answer: list[Index] = []
    peak = _peak_of(lambda: answer.append(search(rows, where)))
    return {"peak": peak, "streamed": answer[0].is_streamed}


def streamed_map(path: str, n_rows: str, n_features: str, layout: str, max_memory: str) -> Report:
    """A fit to a map, and searches of it: the memory besides the pages of the file."""
    shape = int(n_rows), int(n_features)
    order: Any = "F" if layout == "F" else "C"
    rows: Any = np.memmap(path, np.uint8, mode="r", shape=shape, order=order)
    if layout == "columns":
        rows = rows[:, 64:]

    def fit_and_search(rows: np.ndarray) -> bool:
        with config_context(max_memory=int(max_memory)):
            nn = NearestNeighbors(n_neighbors=3, n_jobs=2).fit(rows)
        queries = None if layout == "columns" else np.ascontiguousarray(rows[:50])
        nn.kneighbors(queries)
        nn.radius_neighbors(queries, 1.0)
        return nn._lazy_index.get(1).is_streamed

    fit_and_search(np.random.default_rng(0).integers(0, 256, (5000, 1000), np.uint8))
    answer: list[bool] = []
    peak = _anonymous_peak_of(lambda: answer.append(fit_and_search(rows)))
    return {"peak": peak, "streamed": answer[0]}


def many_threads(algorithm: str) -> Report:
    """A few queries on 64 threads, which divide the rows and keep heaps of their own.

    The peak is the larger one of two searches, beyond four times the answer of each.
    """
    rows = np.random.default_rng(2).integers(0, 256, size=(12_000, 16), dtype=np.uint8)
    index = Index(rows, "sqeuclidean", algorithm=algorithm)
    index.search(rows[:300], 5, n_threads=64)
    beyond = []
    for n_queries, k in ((300, 1_000), (12, 12_000)):
        queries = rows[:n_queries]
        peak = _peak_of(lambda queries=queries, k=k: index.search(queries, k, n_threads=64))
        if peak is None:
            return {"peak": None}
        beyond.append(peak - 4 * 16 * n_queries * k)
    return {"peak": max(beyond)}


def groups_of_features(n_features: str) -> Report:
    """Of a few rows, so that what is held for each pair of features would be most of it."""
    rows = np.random.default_rng(1).integers(0, 256, size=(50, int(n_features)), dtype=np.uint8)
    learning.feature_groups(rows[:, :50], (2, 3))
    return {"peak": _peak_of(lambda: learning.feature_groups(rows, (2, 3)))}


def within_everything(n: str) -> Report:
    """A radius search that finds all pairs: the peak, and the bytes of what it returns."""
    rows = np.random.default_rng(2).integers(0, 256, size=(int(n), 8), dtype=np.uint8)
    index = Index(rows)
    index.within(rows[:1], 10, n_threads=2)
    answer: list[Any] = []
    peak = _peak_of(lambda: answer.append(index.within(None, 1 << 40, n_threads=2)))
    return {"peak": peak, "result": sum(part.nbytes for part in answer[0])}


def within_in_chunks(n: str) -> Report:
    """The same of some hundred queries, where rows are read a chunk at a time."""
    rows = np.random.default_rng(2).integers(0, 256, size=(int(n), 96), dtype=np.uint8)
    index = Index(rows, max_memory=1)
    index.within(rows[:1], 10, n_threads=2)
    answer: list[Any] = []
    peak = _peak_of(
        lambda: answer.append(index.within(rows[:300], 1 << 40, n_threads=2, sort=True))
    )
    return {"peak": peak, "result": sum(part.nbytes for part in answer[0])}


def within_without_memory() -> Report:
    """What a radius search raises as the address space grows, until it succeeds."""
    import resource

    rows = np.random.default_rng(2).integers(0, 256, size=(2_000, 8), dtype=np.uint8)
    index = Index(rows)
    index.within(rows[:50], 1 << 40)
    errors: list[str] = []
    for more in range(4, 2000, 16):
        limit = _status("VmSize") + (more << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        try:
            index.within(rows, 1 << 40)  # on one thread: libgomp ends a process that gets no more
            break
        except Exception as error:
            errors.append("MemoryError" if isinstance(error, MemoryError) else repr(error))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    counts = np.diff(index.within(rows, 1 << 40)[0])
    return {"errors": errors, "afterwards": bool((counts == len(rows)).all())}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
