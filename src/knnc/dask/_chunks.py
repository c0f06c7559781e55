"""A chunk of training rows and its index, on the worker that has it."""

from __future__ import annotations

import multiprocessing
import threading
from typing import Any, Self

import dask
import numpy as np
from dask.sizeof import sizeof
from numpy.typing import NDArray

from knnc.dask._found import Found
from knnc.dask._rows import Narrowed, Queries, all_bytes, all_floats
from knnc.dask._targets import check_finite, classes_of
from knnc.engine.encoding import Encoding
from knnc.engine.floats import as_float64
from knnc.engine.index import Index
from knnc.engine.system.threads import effective_n_threads
from knnc.neighbors.float_queries import kneighbors_of_floats

__all__ = ["Chunk", "labels_of", "make_chunk", "rows_of", "search_chunk", "seen", "task_threads"]


class Chunk:
    """A chunk of training rows, and its index, which is made where the rows are.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), uint8, float32 or float64
    targets : ndarray of shape (n_rows,) or (n_rows, n_outputs), or None
    encoding : Encoding or None
        What bytes stand for; None where the rows are floats.
    metric, algorithm : str
        As :class:`Index` takes them.
    """

    def __init__(
        self,
        rows: NDArray[Any],
        targets: NDArray[Any] | None,
        encoding: Encoding | None,
        metric: str,
        algorithm: str,
    ) -> None:
        if targets is not None and len(targets) != len(rows):
            raise ValueError(f"A chunk of X has {len(rows)} rows and that of y {len(targets)}.")
        self.rows = np.ascontiguousarray(rows)
        self.targets = targets
        self._how = encoding, metric, algorithm
        self._index: Index | None = None
        self._making = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Chunk, (self.rows, self.targets, *self._how)

    def ready(self, n_jobs: int | None) -> Self:
        """The chunk with its index made."""
        with self._making:
            if self._index is None and len(self.rows):
                _, metric, algorithm = self._how
                self._index = Index(
                    self.rows, metric, algorithm=algorithm, n_threads=task_threads(n_jobs)
                )
        return self

    def search(self, queries: Queries, k: int, first: int, n_jobs: int | None) -> Found:
        """The k nearest, or as many as there are; row 0 is row `first` of all."""
        index = self.ready(n_jobs)._index
        rows, as_floats, others = queries
        keys, ind = np.empty((2, len(as_floats), min(k, len(self.rows))), np.int64)
        n_threads = task_threads(n_jobs)
        if index is not None and len(rows):
            found = index.search(np.ascontiguousarray(rows), keys.shape[1], n_threads=n_threads)
            keys[~as_floats], ind[~as_floats] = found
        if index is not None and len(others):
            found = self._search_floats(index, others, keys.shape[1], n_threads)
            keys[as_floats], ind[as_floats] = found
        targets = None if self.targets is None else self.targets[ind]
        return Found(keys, ind + first, targets, as_floats)

    def _search_floats(
        self, index: Index, queries: NDArray[Any], k: int, n_threads: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        numbers = as_float64(queries)
        encoding, metric, _ = self._how
        if encoding is None:
            return index.search(numbers, k, n_threads=n_threads)
        return kneighbors_of_floats(self.rows, encoding, numbers, k, metric, n_threads)


def _bytes_of(chunk: Chunk) -> int:
    """Rows, and about as much for what is made of them: the scheduler sends queries to rows."""
    return 2 * chunk.rows.nbytes + (0 if chunk.targets is None else chunk.targets.nbytes)


sizeof.register(Chunk, _bytes_of)


def task_threads(n_jobs: int | None) -> int:
    """Threads of a search in a task: those of one of its own, divided by tasks at a time."""
    n_threads = effective_n_threads(n_jobs)
    return n_threads if n_jobs is not None else max(1, n_threads // _tasks_at_a_time())


def _tasks_at_a_time() -> int:
    """Tasks that share the CPUs with this one.

    Dask's processes run theirs on the main thread of a child, which is not told how many there
    are: as many as CPUs, unless a file or the environment configured otherwise.
    """
    if threading.current_thread() is not threading.main_thread():
        try:
            from distributed import get_worker

            return int(get_worker().state.nthreads)
        except (ImportError, ValueError):  # no cluster: Dask's own threads
            pass
    elif multiprocessing.parent_process() is None:
        return 1
    return dask.config.get("num_workers", None) or int(dask.system.CPU_COUNT)


def make_chunk(
    narrowed: Narrowed,
    targets: Any,
    encoding: Encoding | None,
    metric: str,
    algorithm: str,
    n_jobs: int | None,
) -> Chunk:
    """A chunk, ready to be searched."""
    if targets is not None:
        targets = check_finite(targets)
    return Chunk(narrowed.under(encoding), targets, encoding, metric, algorithm).ready(n_jobs)


def search_chunk(chunk: Chunk, queries: Queries, k: int, first: int, n_jobs: int | None) -> Found:
    """What a chunk finds for a block of queries."""
    return chunk.search(queries, k, first, n_jobs)


def labels_of(chunk: Chunk) -> list[NDArray[Any]]:
    """The classes of each output in a chunk."""
    assert chunk.targets is not None
    return classes_of(chunk.targets)


def seen(chunk: Chunk) -> None:
    """Nothing of the targets in a chunk, but that they were looked at when it was made."""


def rows_of(chunk: Chunk) -> Queries:
    """The rows, as queries."""
    return all_bytes(chunk.rows) if chunk.rows.dtype == np.uint8 else all_floats(chunk.rows)
