"""One exact search over rows: arrays in, (distance, row index) out.

Brute force packs the rows for a kernel (scan/brute.pyx); the pruned search keeps short codes of them
and reads few rows whole (scan/coded.pyx). Which of the two is a matter of time, never of answers.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from numbers import Integral
from time import perf_counter, thread_time
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from knnc.engine import dispatch
from knnc.engine import runtime as _runtime  # noqa: F401  the environment's wishes come first
from knnc.engine.codes import learning
from knnc.engine.codes.kinds import learn_quantizer
from knnc.engine.codes.rows import CodedRows
from knnc.engine.fields import State, part_of
from knnc.engine.packed import BLOCK_FEATURES, PackedRows, nbytes_for
from knnc.engine.scan import brute as search
from knnc.engine.scan import radius
from knnc.engine.scan.coded import search as search_pruned
from knnc.engine.scan.streamed import StreamedRows
from knnc.engine.system.blas import one_blas_thread
from knnc.engine.system.memory import checked_max_memory, limit_for
from knnc.engine.system.progress import current
from knnc.engine.system.threads import safe_n_threads

METRICS = ("sqeuclidean", "manhattan", "chebyshev", "hamming")
# Those of which a distance of codes is a bound.
PRUNED_METRICS = ("sqeuclidean", "manhattan")
ALGORITHMS = ("auto", "brute", "pruned")

# Rows of more features than a kernel's block are searched by brute force only.
MAX_PRUNED_FEATURES = BLOCK_FEATURES
# Coordinates of the code in each stage of a scan, those of rows below MIN_FEATURES (a whole row is
# hardly more than a fourth stage then), and for Manhattan features of a group, of the coarse code
# and of the fine one. benchmarks/pruning.py has what others cost.
STAGES = (24, 32, 56, 80)
NARROW_STAGES = (24, 24, 32)
GROUP_SIZES = (8, 4)
# "auto" tries pruning only on data as large as this (bytes) and as wide.
MIN_BYTES = 1 << 23
MIN_FEATURES = 192
# Of narrower rows, down to this width, codes take the time that they spare 8,000 to 36,000 queries
# (benchmarks/narrow.py): they are made when about so many have come. Sums of a few bytes are too
# coarse for Manhattan distance, which is 3 times as slow with them on SIFT's 128 features.
LATE_FEATURES = 64
LATE_QUERIES = 1 << 14
# And of as many rows: the time of a search grows with them, that of learning codes does not. With
# 8,192 rows of any width codes take the time of some 10,000 queries.
MIN_ROWS = 1 << 13
# What codes are learnt from, in bytes: all of learning.SAMPLE_ROWS up to 2,048 features.
SAMPLE_BYTES = 1 << 23
MIN_SAMPLE_ROWS = 1024
# A neighbour count for which most rows pass any bound.
MAX_SHARE_OF_ROWS = 1 / 64
TRIAL_QUERIES = 64
TRIAL_BYTES = 1 << 21
TRIAL_REPEATS = 7
TRIAL_SECONDS = 0.1
TRIAL_K = 5

# The time of the calling thread alone; on Windows it goes in steps of 16 ms, whatever
# time.get_clock_info says.
trial_clock = perf_counter if sys.platform == "win32" else thread_time

# A fork copies a lock as it is, and a thread that held it does not live on in the child. A signal's
# handler runs in the thread that holds it, and may search too: hence one that can be taken again.
_packing = threading.RLock()
# Apart, for packing takes seconds and counting queries none.
_counting = threading.RLock()


def _new_locks() -> None:
    global _packing, _counting
    _packing, _counting = threading.RLock(), threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_locks)


class Index:
    """Training rows, made ready for the kernels of one metric, and the search over them.

    Parameters
    ----------
    rows : ndarray of shape (n_samples_fit, n_features), uint8
        They are kept, not copied; changing them afterwards makes answers undefined. C-contiguous,
        or in any other layout if they are larger than `max_memory`: such rows are not pruned.
    metric : {"sqeuclidean", "manhattan", "chebyshev", "hamming"}
        Squared Euclidean, Manhattan and Chebyshev distance, or the number of features that differ:
        all exact integers.
    algorithm : {"auto", "brute", "pruned"}, default="auto"
        It never changes an answer. "auto" tries both on a sample of large data and takes the
        faster, for narrow rows once there have been many queries; "brute" and "pruned" take what
        they say. Only the first two metrics can be pruned.
    kernel : str or None, default=None
        The name of a kernel of :func:`knnc.engine.dispatch.available_kernels`; None for the best.
    n_threads : int, default=1
        Threads that pack and try.
    max_memory : int or None, default=None
        Bytes that may be taken for what is made of the rows; what more they would take, searches
        read them a chunk at a time instead. None is what :func:`knnc.engine.system.memory.limit_for` says.

    Raises
    ------
    TypeError, ValueError
        If `rows` are not as stated, a name is unknown, or rows are too wide to prune or the metric
        cannot be.
    MemoryError
        If there is no room for the packed rows.
    """

    def __init__(
        self,
        rows: NDArray[np.uint8],
        metric: str = "sqeuclidean",
        *,
        algorithm: str = "auto",
        kernel: str | None = None,
        n_threads: int = 1,
        max_memory: int | None = None,
    ) -> None:
        self._begin(rows, metric, algorithm, kernel, max_memory)
        self._build(safe_n_threads(n_threads))

    def _begin(
        self,
        rows: NDArray[np.uint8],
        metric: str,
        algorithm: str,
        kernel: str | None,
        max_memory: int | None,
    ) -> None:
        """All but what is made of the rows."""
        if metric not in METRICS:
            raise ValueError(f"Unknown metric {metric!r}; the engine computes {METRICS}.")
        if algorithm not in ALGORITHMS:
            raise ValueError(f"Unknown algorithm {algorithm!r}; there are {ALGORITHMS}.")
        _check_bytes(rows, "rows", in_any_layout=True)
        if rows.shape[0] < 1 or rows.shape[1] < 1:
            raise ValueError(f"rows need at least one row and one feature, got {rows.shape}.")
        self.metric = metric
        self.algorithm = algorithm
        self.n_samples_fit, self.n_features = rows.shape
        self._rows = rows
        self._kernel = dispatch.kernel_for(metric, kernel)
        self._packed: PackedRows | None = None
        self._pruned: CodedRows | None = None
        self._max_memory = checked_max_memory(max_memory)
        if self._max_memory is None:
            self._max_memory = limit_for(rows)
        self._streamed = self._streamed_beside(0)
        self._n_asked = 0
        # The process in which a thread decides: it does not live on in a fork.
        self._decided_in: int | None = None
        self._may_prune_late = (
            algorithm == "auto"
            and metric == "sqeuclidean"
            and self._streamed is None
            and LATE_FEATURES <= self.n_features < MIN_FEATURES
            and self._is_large()
        )
        if self._streamed is None or algorithm == "pruned":
            _check_bytes(rows, "rows")
        if algorithm == "pruned" and metric not in PRUNED_METRICS:
            raise ValueError(
                f"algorithm='pruned' rules rows out by codes, whose distances bound those of "
                f"the metrics {PRUNED_METRICS} only; for {metric!r} there is 'brute'."
            )
        if algorithm == "pruned" and self.n_features > MAX_PRUNED_FEATURES:
            raise ValueError(
                f"algorithm='pruned' takes at most {MAX_PRUNED_FEATURES} features, "
                f"got {self.n_features}."
            )

    def _streamed_beside(self, nbytes: int) -> StreamedRows | None:
        """The rows to be streamed, if there is no room to pack them beside so many bytes."""
        if self._max_memory is None:
            return None
        packed = nbytes_for(self.metric, self._kernel, self.n_samples_fit, self.n_features)
        if nbytes + packed <= self._max_memory:
            return None
        room = max(0, self._max_memory - nbytes)
        return StreamedRows(self._rows, self.metric, self._kernel, room)

    def _build(self, n_threads: int) -> None:
        if self.algorithm == "pruned":
            self._pruned = self._prune(n_threads)
        elif self.algorithm == "auto" and self._may_prune():
            self._pruned = self._prune_if_faster(n_threads)
        if self._pruned is not None:
            self._streamed = self._streamed_beside(self._pruned.nbytes)
        if self._pruned is None and self._streamed is None:
            self._pack(n_threads)

    def state(self) -> dict[str, Any]:
        """All that is needed to have this index again, as :meth:`restored` takes it."""
        return {
            "metric": self.metric,
            "algorithm": self.algorithm,
            "kernel": self._kernel,
            "rows": self._rows,
            "packed": self._packed and self._packed.state(),
            "pruned": self._pruned and self._pruned.state(),
        }

    @classmethod
    def restored(cls, state: State, *, n_threads: int = 1) -> Self:
        """An index of which `state` said this, with nothing left to make ready.

        On a machine that searches with other kernels, what was made of the rows is made anew.

        Raises
        ------
        ValueError, TypeError
            If that cannot be what `state` said.
        """
        self = cls.__new__(cls)
        rows: Any = state.get("rows")
        metric, algorithm = state.get("metric"), state.get("algorithm")
        self._begin(rows, str(metric), str(algorithm), None, None)
        packed, pruned = state.get("packed"), state.get("pruned")
        if state.get("kernel") != self._kernel or (packed is None and pruned is None):
            self._build(safe_n_threads(n_threads))
            return self
        if packed is not None:
            packed = PackedRows(None, self.metric, self._kernel, 1, saved=part_of(state, "packed"))
            if (packed.n_rows, packed.n_features) != self._rows.shape:
                raise ValueError("packed rows are not those of rows")
            self._packed, self._streamed = packed, None
        if pruned is not None:
            if metric not in PRUNED_METRICS or self.n_features > MAX_PRUNED_FEATURES:
                raise ValueError("there are codes of rows that have none")
            part = part_of(state, "pruned")
            self._pruned = CodedRows.restored(part, self._rows, self.metric, self._kernel)
            self._may_prune_late = False
            if self._packed is None:
                self._streamed = self._streamed_beside(self._pruned.nbytes)
        return self

    @property
    def kernel(self) -> str:
        """Name of the kernel that searches."""
        return self._kernel

    @property
    def rows(self) -> NDArray[np.uint8]:
        """The rows themselves, to be searched for in whatever layout they are."""
        return self._rows

    @property
    def is_pruned(self) -> bool:
        """Whether codes rule rows out before they are compared whole."""
        return self._pruned is not None

    @property
    def is_streamed(self) -> bool:
        """Whether brute force reads the rows anew in each search, as there is no room for them."""
        return self._streamed is not None

    @property
    def nbytes_packed(self) -> int:
        """Bytes of the packed rows and of the codes."""
        return sum(int(part.nbytes) for part in (self._packed, self._pruned) if part is not None)

    def search(
        self, queries: NDArray[np.uint8] | None, k: int, *, n_threads: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the k nearest rows of each query.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features), uint8, C-contiguous, or None
            None is leave-one-out: the rows are the queries, and row i is no answer to query i.
        k : int
            At most n_samples_fit, less one in leave-one-out.
        n_threads : int, default=1

        Returns
        -------
        dist : ndarray of shape (n_queries, k), int64
            Exact distances, ascending; rows at the same distance by ascending index.
        ind : ndarray of shape (n_queries, k), int64
            Indices of the rows.

        Raises
        ------
        TypeError, ValueError
            If `queries` or `k` are not as stated.
        KeyboardInterrupt
            At Ctrl-C, within one chunk of work (about 0.05 s).

        Notes
        -----
        With "auto", the search of narrow rows that brings their number to 16,384 decides whether
        codes pay and makes them, which takes seconds of millions of rows and tells no progress.
        """
        leave_out = queries is None
        queries = self._checked_queries(queries)
        if not isinstance(k, Integral):
            raise TypeError(f"k must be an integer, got {type(k).__name__}.")
        largest = self.n_samples_fit - leave_out
        if not 1 <= k <= largest:
            raise ValueError(f"k must be from 1 to {largest}, got {k}.")
        if n_threads < 1:
            raise ValueError(f"n_threads must be at least 1, got {n_threads}.")
        n_threads = safe_n_threads(n_threads)
        first_self = 0 if leave_out else search.NO_SELF
        if self._may_prune_late and self._pays_for(k):
            self._prune_late(len(queries), n_threads)
        if self._pruned is not None and (self.algorithm == "pruned" or self._pays_for(k)):
            return search_pruned(self._pruned, queries, k, n_threads, first_self, current())
        if self._streamed is not None:
            return self._streamed.search(queries, k, n_threads, first_self, current())
        return search.search(self._pack(n_threads), queries, k, n_threads, first_self, current())

    def within(
        self,
        queries: NDArray[np.uint8] | None,
        limit: int,
        *,
        n_threads: int = 1,
        return_distance: bool = True,
        sort: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.int64]]:
        """Find all rows at a distance of at most `limit` of each query, by brute force.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features), uint8, C-contiguous, or None
            None is leave-one-out: the rows are the queries, and row i is no answer to query i.
        limit : int
            Of the integer distance; below 0 there is no row within it.
        n_threads : int, default=1
        return_distance : bool, default=True
        sort : bool, default=False
            Sort by (distance, row index), which takes distances, rather than by row index.

        Returns
        -------
        indptr : ndarray of shape (n_queries + 1,), int64
            The rows of query i are those from indptr[i] to indptr[i + 1].
        dist : ndarray of shape (n_found,), int64, or None
            Exact distances.
        ind : ndarray of shape (n_found,), int64
            Indices of the rows.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as stated.
        MemoryError
            If the result does not fit into memory.
        KeyboardInterrupt
            At Ctrl-C, within one chunk of work (about 0.05 s).
        """
        first_self = 0 if queries is None else search.NO_SELF
        queries = self._checked_queries(queries)
        if not isinstance(limit, Integral):
            raise TypeError(f"limit must be an integer, got {type(limit).__name__}.")
        if sort and not return_distance:
            raise ValueError("sort takes distances: return_distance must be True.")
        if n_threads < 1:
            raise ValueError(f"n_threads must be at least 1, got {n_threads}.")
        n_threads = safe_n_threads(n_threads)
        limit = max(-1, min(int(limit), np.iinfo(np.int64).max))
        options = limit, n_threads, first_self, return_distance, sort, current()
        if self._streamed is not None:
            return self._streamed.within(queries, *options)
        return radius.search(self._pack(n_threads), queries, *options)

    def streamed_among(self, where: NDArray[np.intp]) -> StreamedRows | None:
        """Some of the rows, ascending, if there is no room for a copy of them; None if there is."""
        if self._streamed is None or self._max_memory is None:
            return None
        room = self._max_memory // 2  # for them, and for what is made of them
        return self._streamed.among(where) if len(where) * self.n_features > room else None

    def _checked_queries(self, queries: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        """The queries, or for None the rows."""
        if queries is None or queries is self._rows:
            return self._rows
        _check_bytes(queries, "queries")
        if queries.shape[1] != self.n_features:
            raise ValueError(
                f"queries have {queries.shape[1]} features, the rows {self.n_features}."
            )
        return queries

    def _pays_for(self, k: int) -> bool:
        return k <= max(TRIAL_K, int(self.n_samples_fit * MAX_SHARE_OF_ROWS))

    def _pack(self, n_threads: int) -> PackedRows:
        """The packed rows; several threads that ask at once wait for one of them to pack."""
        packed = self._packed
        if packed is None:
            with _packing:
                packed = self._packed
                if packed is None:
                    packed = PackedRows(
                        self._rows, self.metric, self._kernel, n_threads, drop_constant=True
                    )
                    self._packed = packed
        return packed

    def _prune(self, n_threads: int) -> CodedRows:
        size = max(MIN_SAMPLE_ROWS, min(learning.SAMPLE_ROWS, SAMPLE_BYTES // self.n_features))
        sample = learning.sample_rows(self._rows, size)
        with one_blas_thread():
            coder = learn_quantizer(
                sample, self.metric, self._code_sizes(), self._kernel, n_threads
            )
        return CodedRows(self._rows, coder, self._kernel, n_threads)

    def _code_sizes(self) -> tuple[int, ...]:
        if self.metric == "manhattan":
            return GROUP_SIZES
        stages = STAGES if self.n_features >= MIN_FEATURES else NARROW_STAGES
        ends = np.minimum(np.cumsum(stages), self.n_features + 1)
        return tuple(size for size in np.diff(ends, prepend=0).tolist() if size)

    def _nbytes_of_codes(self) -> int:
        """About the most that making codes takes: twice the coarse ones, and a sample as floats."""
        coarse, fine = sum(self._code_sizes()), 0
        if self.metric == "manhattan":
            coarse, fine = (self.n_features // size + 1 for size in GROUP_SIZES)
        return int(self.n_samples_fit) * (2 * coarse + fine + 40) + 8 * SAMPLE_BYTES

    def _may_prune(self) -> bool:
        if self.metric not in PRUNED_METRICS or not self._rows.flags.c_contiguous:
            return False
        if not MIN_FEATURES <= self.n_features <= MAX_PRUNED_FEATURES:
            return False
        return self._is_large()

    def _is_large(self) -> bool:
        """Whether the rows are enough for codes, and memory is."""
        if self.n_samples_fit < MIN_ROWS or self.n_samples_fit * self.n_features < MIN_BYTES:
            return False
        return self._max_memory is None or self._nbytes_of_codes() <= self._max_memory

    def _is_concentrated(self) -> bool:
        with one_blas_thread():
            return learning.is_concentrated(self._rows)

    def _prune_late(self, n_queries: int, n_threads: int) -> None:
        """Decide for narrow rows once the queries are many.

        One thread does; others that ask meanwhile go on by brute force, and pack the rows anew.
        """
        with _counting:
            self._n_asked += n_queries
            if not self._may_prune_late or self._n_asked < LATE_QUERIES:
                return
            if self._decided_in == os.getpid():
                return
            self._decided_in = os.getpid()
        try:
            self._pruned = self._prune_if_faster(n_threads)
            self._may_prune_late = False
            if self._pruned is not None:
                self._packed = None
                self._streamed = self._streamed_beside(self._pruned.nbytes)
        finally:
            self._decided_in = None

    def _prune_if_faster(self, n_threads: int) -> CodedRows | None:
        """The codes, if they promise less time, take less in a trial, and there is memory."""
        try:
            if not self._is_concentrated():
                return None
            self._packed = None  # which leaves room
            pruned = self._prune(n_threads)
            return pruned if self._is_faster(pruned, n_threads) else None
        except MemoryError as error:
            warnings.warn(
                f"There is no memory for codes ({error}): searches compare whole rows instead, "
                f"with the same answers.",
                RuntimeWarning,
                stacklevel=2,
            )
            return None

    def _is_faster(self, pruned: CodedRows, n_threads: int) -> bool:
        """Whether a search of some of the rows takes less time with codes than without.

        On one thread and in its own time, so that a busy machine does not decide.
        """
        n_queries = min(TRIAL_QUERIES, self.n_samples_fit)
        first = (self.n_samples_fit - n_queries) // 2
        queries = self._rows[first : first + n_queries]
        part = self._rows[: max(1, TRIAL_BYTES // self.n_features)]
        packed = PackedRows(part, self.metric, self._kernel, n_threads)
        k = min(TRIAL_K, len(part))
        brute_seconds = pruned_seconds = np.inf
        spent = 0.0
        for _ in range(TRIAL_REPEATS):
            started = trial_clock()
            search.search(packed, queries, k, 1, search.NO_SELF, None)
            between = trial_clock()
            search_pruned(pruned, queries, k, 1, first, None)
            ended = trial_clock()
            brute_seconds = min(brute_seconds, between - started)
            pruned_seconds = min(pruned_seconds, ended - between)
            spent += ended - started
            if spent > TRIAL_SECONDS:
                break
        brute_seconds *= self.n_samples_fit / len(part)
        return bool(pruned_seconds < brute_seconds)


def _check_bytes(array: Any, name: str, in_any_layout: bool = False) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        kind = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"{name} must be a uint8 array, got {kind}.")
    if array.ndim != 2 or not (in_any_layout or array.flags.c_contiguous):
        raise ValueError(f"{name} must be two-dimensional and C-contiguous.")
