"""algorithm="auto": whether an index uses codes. It is a question of time and never of answers.

Policy.queries_to_code
                    after how many queries codes are tried: by the shape of the rows, the metric and
                    the memory
Policy.codes_if_faster
  screen            10 ms on a sample: random bytes, which no code tells apart, end here
  coding.encode     learns codes and encodes all rows
  trial             times both searches on some rows
QueryCount          counts queries until codes pay
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from time import perf_counter, thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes import learning
from knnc.engine.codes.coding import MAX_PRUNED_FEATURES, Coding
from knnc.engine.codes.rows import CodedRows
from knnc.engine.floats import FloatRows
from knnc.engine.metrics import ENGINE_METRICS, PRUNED_FLOAT_METRICS
from knnc.engine.packed import PackedRows
from knnc.engine.scan import brute, coded, floats
from knnc.engine.system.blas import one_blas_thread
from knnc.engine.system.locks import ForkSafeLock
from knnc.engine.system.memory import MemoryPlan

__all__ = ["Policy", "QueryCount", "Trial"]

Bytes = NDArray[np.uint8]
Search = Callable[[], object]

# CPU time of the calling thread, so that a busy machine does not decide. On Windows that clock
# moves in steps of 16 ms, whatever time.get_clock_info says.
_clock = perf_counter if sys.platform == "win32" else thread_time

_counting = ForkSafeLock()


def is_concentrated(rows: Any) -> bool:
    """Whether codes are worth a trial, by a look at about 1,000 rows that takes some 10 ms."""
    with one_blas_thread():
        return learning.is_concentrated(rows)


@dataclass(frozen=True)
class Trial:
    """Which of two searches is faster. The fastest of several runs of each counts.

    Attributes
    ----------
    repeats : int
        The most runs of each search.
    seconds : float
        No run starts after so many seconds.
    clear : float
        It ends after two runs of each if codes are so many times as fast.
    clock : callable
        Seconds; it must be finer than a search takes.
    """

    repeats: int = 7
    seconds: float = 0.1
    clear: float = 4.0
    clock: Callable[[], float] = _clock

    def __call__(self, coded_search: Search, brute_search: Search, share: float) -> bool:
        """Whether the search by codes is faster.

        Parameters
        ----------
        coded_search, brute_search : callable
        share : float
            The share of the rows that the search by brute force reads.
        """
        coded_seconds = brute_seconds = inf
        spent = 0.0
        for i in range(self.repeats):
            started = self.clock()
            brute_search()
            between = self.clock()
            coded_search()
            ended = self.clock()
            brute_seconds = min(brute_seconds, between - started)
            coded_seconds = min(coded_seconds, ended - between)
            spent += ended - started
            if spent > self.seconds or (i and self.clear * coded_seconds < brute_seconds / share):
                break
        return coded_seconds < brute_seconds / share


@dataclass(frozen=True)
class Policy:
    """When an index tries codes, and how it makes them.

    Attributes
    ----------
    coding : Coding
        How codes are made. Rows of fewer than ``coding.narrow_below`` features are narrow.
    min_rows : int
        The time of a search grows with the rows, and the time to learn codes does not. With 8,192
        rows of any width, codes take the time of some 10,000 queries.
    min_bytes : int
        Bytes of the rows, for the same reason.
    wide_queries : int
        Wide rows get codes after so many queries: the time to make them is the time that some 2,000
        queries save. Rows that are streamed get them at once, for each search reads all the rows.
    late_features : int
        Narrow rows of at least so many features get codes after `late_queries` queries, for squared
        Euclidean distance only. Sums of few bytes are too coarse for Manhattan distance: on the 128
        features of SIFT it takes 3 times as long with codes.
    late_queries : int
        The time to make codes of narrow rows is the time that 8,000 to 36,000 queries save with
        them (``benchmarks/narrow.py``).
    max_share_of_rows : float
        If a query wants a larger share of the rows as neighbours, pruning does not pay.
    least_listed, least_queries_listed : int
        Brute force for so many neighbours of so many queries lists the rows within a limit, and
        sorts them. Heaps of fewer neighbours are as fast, and the limit takes a sample.
    min_float_rows : int
        The same as `min_rows` for float rows.
    late_float_queries, late_float_pairs : int
        Float rows get codes after so many queries, and so many pairs of a query and a row. Brute
        force of floats takes some thirty times as long as that of bytes, so that codes pay much
        sooner. To make them takes 20 ms at least, of few rows too.
    tree_features : int
        Float rows of at most so many features are searched by a k-d tree.
    tree_byte_features, tree_byte_rows : int
        Bytes of at most so many features are searched by a k-d tree where they are at least
        ``tree_byte_rows << n_features`` rows: the time of brute force grows with the rows, that of
        a tree with the features.
    min_tree_rows : int
        Of fewer rows than this, each is compared.
    min_tree_features_coded : int
        Trees of fewer features than this are faster than codes on any data.
    whole_work : int
        Wide float rows have whole codes until queries times rows times features are so many. A
        scan of whole codes multiplies about 4e11 bytes a second on two cores; learning axes takes
        0.4 s.
    late_tree_seconds, late_tree_seconds_a_million : float
        Rows in a tree get codes, if these save time, once its searches would have taken so much CPU
        time, and so much more for each million values of the rows. That is twice the time that
        codes take to make. On 100,000 rows of Gaussian noise in 10 features a search with them
        takes less than half of the tree's time, in 8 features as long.
    sampled_queries : int
        A radius search tries so many queries, to see whether most rows are within the radius. So
        many are timed in a tree.
    trial_queries : int
        Queries of the trial.
    trial_bytes : int
        Bytes of the rows that the trial searches by brute force.
    trial_k : int
        Neighbours of the trial. A search for so few may use codes, whatever the share.
    screen : callable
        ``screen(rows)`` says whether codes are worth making, to try them.
    trial : callable
        ``trial(coded_search, brute_search, share)``, as :class:`Trial`.
    """

    coding: Coding = Coding()  # noqa: RUF009  it is frozen
    min_rows: int = 1 << 13
    min_bytes: int = 1 << 23
    wide_queries: int = 1 << 11
    late_features: int = 64
    late_queries: int = 1 << 14
    max_share_of_rows: float = 1 / 64
    least_listed: int = 192
    least_queries_listed: int = 16
    min_float_rows: int = 1 << 10
    late_float_queries: int = 1 << 8
    late_float_pairs: int = 1 << 23
    tree_features: int = 15
    tree_byte_features: int = 6
    tree_byte_rows: int = 1 << 12
    min_tree_rows: int = 256
    min_tree_features_coded: int = 6
    late_tree_seconds: float = 0.2
    late_tree_seconds_a_million: float = 0.25
    whole_work: int = 200_000_000_000
    sampled_queries: int = 16
    trial_queries: int = 64
    trial_bytes: int = 1 << 21
    trial_k: int = 5
    screen: Callable[[Any], bool] = is_concentrated
    trial: Callable[[Search, Search, float], bool] = field(default_factory=Trial)

    def queries_to_code(self, rows: Bytes, metric: str, plan: MemoryPlan) -> int | None:
        """After how many queries codes of these rows are tried: 0 is at once, None never."""
        norm, (n_rows, n_features) = ENGINE_METRICS[metric].code_norm, rows.shape
        if norm is None or not rows.flags.c_contiguous or n_features > MAX_PRUNED_FEATURES:
            return None
        if n_rows < self.min_rows or rows.size < self.min_bytes:
            return None
        if not plan.has_room_for(self.coding.peak_nbytes(metric, n_rows, n_features)):
            return None
        if n_features >= self.coding.narrow_below:
            return 0 if plan.is_streamed() else self.wide_queries
        is_late = norm == "l2" and n_features >= self.late_features and not plan.is_streamed()
        return self.late_queries if is_late else None

    def why_never(self) -> str:
        """Why :meth:`queries_to_code` is None, in words."""
        return (
            f"codes pay for Euclidean and Manhattan distance, from {self.min_rows:,} rows, "
            f"{self.min_bytes >> 20} MiB and {self.coding.narrow_below} features (for Euclidean "
            f"distance {self.late_features}) on, where there is memory for them"
        )

    def why_no_float_codes(self) -> str:
        """Why :meth:`float_queries_to_code` is None, in words."""
        return (
            "codes of rows that are not bytes pay for cosine distance, and from "
            f"{self.min_tree_features_coded} features on for Euclidean and Manhattan distance, "
            f"from {self.min_float_rows:,} rows on, where there is memory for them"
        )

    def pays_for(self, k: int, n_rows: int) -> bool:
        """Whether a search for k neighbours may use codes."""
        return k <= max(self.trial_k, int(n_rows * self.max_share_of_rows))

    def lists_for(self, k: int, n_queries: int) -> bool:
        """Whether a search for k neighbours by brute force lists rows rather than keep heaps."""
        return k >= self.least_listed and n_queries >= self.least_queries_listed

    def pays_within(
        self, codes: CodedRows, queries: Any, limit: int, first_self: int, n_threads: int
    ) -> bool:
        """Whether a radius search may use codes, from a search for some of the queries."""
        n_queries = len(queries)
        if n_queries <= self.sampled_queries:
            return True
        step = n_queries // self.sampled_queries
        options = n_threads, brute.NO_SELF, False, False, None
        some = np.ascontiguousarray(queries[::step])
        _, _, found = coded.within(codes, some, limit, *options)
        return len(found) <= len(some) * codes.n_rows * self.max_share_of_rows

    def plants_tree_of_bytes(self, rows: Bytes, plan: MemoryPlan) -> bool:
        """Whether a k-d tree searches these bytes."""
        n_rows, n_features = rows.shape
        if n_features > self.tree_byte_features or n_rows < self.tree_byte_rows << n_features:
            return False
        # Twice the values as float64, while they are sorted, and as float32.
        return not plan.is_streamed() and plan.has_room_for(n_rows * (20 * n_features + 8))

    def plants_tree(self, rows: Any, metric: str, plan: MemoryPlan) -> bool:
        """Whether a k-d tree searches these float rows."""
        n_rows, n_features = rows.shape
        if n_features > self.tree_features or n_rows < self.min_tree_rows or metric == "cosine":
            return False
        return plan.has_room_for(n_rows * (16 * n_features + 8))

    def float_queries_to_code(
        self, rows: Any, metric: str, plan: MemoryPlan, *, has_tree: bool
    ) -> int | None:
        """After how many queries codes of float rows are tried, or None if never."""
        n_rows, n_features = rows.shape
        if not plan.has_room_for(self.coding.peak_nbytes_of_floats(n_rows, n_features)):
            return None
        if metric not in PRUNED_FLOAT_METRICS or n_rows < self.min_float_rows:
            return None
        if n_features > MAX_PRUNED_FEATURES:
            return None
        if has_tree and n_features < self.min_tree_features_coded:
            return None
        return max(self.late_float_queries, self.late_float_pairs // int(n_rows))

    def tree_queries_to_code(self, tree: floats.KDTree, rows: NDArray[Any]) -> int:
        """After how many queries codes of rows in a tree are tried: some of the rows are timed."""
        some = np.ascontiguousarray(learning.sample_rows(rows, self.sampled_queries), np.float64)
        for _ in range(2):  # the first time, what they read is not in the cache
            start = _clock()
            floats.tree_search(tree, some, self.trial_k, 1, brute.NO_SELF, None)
            a_query = max(_clock() - start, 1e-9) / len(some)
        seconds = self.late_tree_seconds + self.late_tree_seconds_a_million * rows.size / 1e6
        return int(seconds / a_query)

    def float_queries_for_axes(self, rows: Any) -> int | None:
        """After how many queries codes of principal axes are tried, where whole codes come first.

        None where there are axes for all features at little cost.
        """
        n_rows, n_features = rows.shape
        if (
            n_features <= sum(self.coding.float_stages)
            or n_features > self.coding.max_whole_features
        ):
            return None
        return max(self.late_float_queries, self.whole_work // int(n_rows * n_features))

    def float_codes_if_faster(
        self, rows: FloatRows, tree: floats.KDTree | None, n_threads: int, *, is_whole: bool
    ) -> CodedRows | None:
        """Codes of float rows if a search is faster with them, or None.

        Parameters
        ----------
        tree : KDTree or None
            What would search the rows otherwise; None is brute force.
        is_whole : bool
            Whether the codes must be of all features, which needs no principal axes.

        Warns
        -----
        RuntimeWarning
            If there is no memory for codes. They are not needed.
        """
        # Codes of all features rule rows out whatever the data; few of many axes may not.
        if not is_whole and rows.n_features > sum(self.coding.float_stages):
            sample = learning.sample_rows(rows.rows, learning.SCREEN_ROWS).astype(np.float64)
            is_whole = not self.screen(learning.scaled(sample)[0])
        if is_whole and rows.n_features > self.coding.max_whole_features:
            return None
        try:
            codes = self.coding.encode_floats(rows, n_threads, is_whole=is_whole)
        except MemoryError as error:
            _warn_of_memory(error)
            return None
        n_rows = rows.n_rows
        first = (n_rows - self.trial_queries) // 2
        some = rows.rows[first : first + self.trial_queries]
        queries = np.ascontiguousarray(some, np.float64)
        part = FloatRows(rows.rows[: max(1, n_rows // 16)], rows.metric)
        options = queries, self.trial_k, 1
        is_faster = self.trial(
            lambda: coded.search(codes, *options, first, None),
            (lambda: floats.tree_search(tree, *options, first, None))
            if tree
            else lambda: floats.search(part, *options, brute.NO_SELF, None),
            1 if tree else part.n_rows / n_rows,
        )
        return codes if is_faster else None

    def codes_if_faster(
        self,
        rows: Bytes,
        metric: str,
        kernel: str,
        n_threads: int,
        make_room: Callable[[], object],
    ) -> CodedRows | None:
        """Codes of the rows if a search is faster with them, or None.

        Parameters
        ----------
        make_room : callable
            Is called before codes are made, to free memory for them.

        Warns
        -----
        RuntimeWarning
            If there is no memory for codes. They are not needed.
        """
        try:
            if not self.screen(rows):
                return None
            make_room()
            codes = self.coding.encode(rows, metric, kernel, n_threads)
            return codes if self._is_faster(codes, rows, metric, kernel, n_threads) else None
        except MemoryError as error:
            _warn_of_memory(error)
            return None

    def _is_faster(
        self, codes: CodedRows, rows: Bytes, metric: str, kernel: str, n_threads: int
    ) -> bool:
        """The trial: some rows are the queries, each search runs on one thread."""
        n_queries = min(self.trial_queries, len(rows))
        first = (len(rows) - n_queries) // 2
        queries = rows[first : first + n_queries]
        part = rows[: max(1, self.trial_bytes // rows.shape[1])]
        packed = PackedRows(part, metric, kernel, n_threads)
        k = min(self.trial_k, len(part))
        return self.trial(
            lambda: coded.search(codes, queries, k, 1, first, None),
            lambda: brute.search(packed, queries, k, 1, brute.NO_SELF, None),
            len(part) / len(rows),
        )


def _warn_of_memory(error: MemoryError) -> None:
    warnings.warn(
        f"There is no memory for codes ({error}): searches compare whole rows instead, "
        f"with the same answers.",
        RuntimeWarning,
        stacklevel=3,
    )


class QueryCount:
    """Counts queries until they are many, and lets one thread at a time decide on codes.

    Parameters
    ----------
    needed : int
        So many queries are many.
    least : int
        A search counts as so many queries at least: it reads all the rows, however few they are.
    """

    def __init__(self, needed: int, least: int = 1) -> None:
        self._needed, self._least = needed, least
        self._n_asked = 0
        self._is_decided = False
        # The process whose thread decides. That thread does not exist in a forked child, which
        # decides for itself.
        self._deciding_in: int | None = None

    @contextmanager
    def decision(self, n_queries: int) -> Iterator[bool]:
        """Count queries. The value says whether the block must decide.

        It must if the queries are many, and no other thread decides or has decided. If the block
        raises, the next search decides.
        """
        if not self._begin(n_queries):
            yield False
            return
        try:
            yield True
            self._is_decided = True
        finally:
            self._deciding_in = None

    def what_is_due(self, *, is_late: bool) -> str:
        """What is decided about codes, where there are none, in words."""
        if is_late and not self._is_decided:
            return f"codes are tried after {self._needed:,} queries; {self._n_asked:,} are counted"
        return "a trial found that codes save no time"

    def _begin(self, n_queries: int) -> bool:
        with _counting.held():
            self._n_asked += max(n_queries, self._least)
            if self._is_decided or self._n_asked < self._needed:
                return False
            if self._deciding_in == os.getpid():
                return False
            self._deciding_in = os.getpid()
            return True
