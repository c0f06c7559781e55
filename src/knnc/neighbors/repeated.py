"""A cache for fits and searches that are repeated, as in a grid search.

``GridSearchCV`` fits candidates that differ in ``n_neighbors`` or ``weights`` to the same rows, and
searches for the same queries. Nothing tells an estimator so: the rows are a new copy each time. So
the second fit to rows of the same content keeps a copy of the rows, an index over the copy, and the
answers of its searches. The answers have more neighbours than were asked for. Later fits and
searches compare contents, byte for byte, and reuse what is kept. The answers are the same.

What is kept  indexes over rows of 256 KiB and more that were fitted twice, and answers that took
              some work. Only where `max_memory` is not set, and not over a memory map.
How much      scikit-learn's `working_memory` at most, 1 GiB by default; what was used last stays.
How long      until 30 s have passed in which no fit or search used any of it. An estimator that was
              fitted meanwhile goes on with its index, and keeps no more answers.
Threads       share it.
Processes     have their own; that of a forked child is empty.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from knnc.engine.index import Index
from knnc.engine.system.locks import ForkSafeLock
from knnc.engine.system.memory import limit_for
from knnc.engine.system.progress import current

__all__ = ["RepeatedIndex", "Repeats", "repeats"]

Int64 = NDArray[np.int64]
Key = tuple[Any, ...]

# Searching fewer bytes takes no longer than looking up what was kept.
_FEWEST_BYTES = 1 << 18
# The same of queries times the size of the rows, for an answer.
_LEAST_WORK = 1 << 26
# Fits that are remembered, and how many of their rows and features at least tell them apart.
_MOST_SEEN = 256
_ROWS_SEEN, _FEATURES_SEEN = 16, 64
# Answers kept for an index. Queries that must be copied come in pieces, each with an answer.
_MOST_ANSWERS = 4
_FEWEST_NEIGHBORS = 16
# Bytes compared at a time.
_CHUNK = 1 << 18
_SECONDS = 30.0


def same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    """Whether two C-contiguous arrays have the same shape, type and bytes."""
    if a is None or b is None:
        return a is b
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    left, right = (part.reshape(-1).view(np.uint8) for part in (a, b))
    return all(
        np.array_equal(left[start : start + _CHUNK], right[start : start + _CHUNK])
        for start in range(0, len(left), _CHUNK)
    )


@dataclass(frozen=True)
class _Answer:
    queries: NDArray[Any] | None
    keys: Int64
    ind: Int64

    @property
    def nbytes(self) -> int:
        queries = 0 if self.queries is None else self.queries.nbytes
        return queries + self.keys.nbytes + self.ind.nbytes


class RepeatedIndex(Index):
    """An index that keeps its last answers, as long as it is kept itself."""

    _store: Repeats | None = None
    _answers: tuple[_Answer, ...] = ()

    def search(
        self, queries: NDArray[Any] | None, k: int, *, n_threads: int = 1
    ) -> tuple[Int64, Int64]:
        """The k nearest rows of each query, as :meth:`Index.search` finds them."""
        n_queries = self.n_samples_fit if queries is None else len(queries)
        most = self.n_samples_fit - (queries is None)
        store = self._store
        if store is None or n_queries * self.rows.size < _LEAST_WORK or not 1 <= k <= most:
            return super().search(queries, k, n_threads=n_threads)
        known = self._answers
        answer = next((some for some in known if same(some.queries, queries)), None)
        if answer is not None and k <= answer.keys.shape[1]:
            store.used(self)
            if (report := current()) is not None:
                report(n_queries, n_queries)
            return answer.keys[:, :k].copy(), answer.ind[:, :k].copy()
        wanted = min(most, max(2 * k, _FEWEST_NEIGHBORS))
        nbytes = 16 * wanted * n_queries + (0 if queries is None else queries.nbytes)
        if nbytes * _MOST_ANSWERS > _most_bytes() - self.rows.nbytes:
            return super().search(queries, k, n_threads=n_threads)
        keys, ind = super().search(queries, wanted, n_threads=n_threads)
        copied = None if queries is None else queries.copy()
        others = [some for some in known if some is not answer]
        store.used(self, (*others[1 - _MOST_ANSWERS :], _Answer(copied, keys, ind)))
        return keys[:, :k].copy(), ind[:, :k].copy()

    def keep_in(self, store: Repeats | None, answers: tuple[_Answer, ...] = ()) -> None:
        """Keep answers from now on, and have these; without a store keep none."""
        self._store, self._answers = store, answers

    @property
    def nbytes_kept(self) -> int:
        """Bytes of the rows, of what is built from them and of the answers."""
        answers = sum(answer.nbytes for answer in self._answers)
        return int(self.rows.nbytes) + self.nbytes_packed + answers


class Repeats:
    """The fits that came a second time.

    Parameters
    ----------
    seconds : float, default=30
        Everything is dropped when no fit or search has used any of it for so long.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._lock = ForkSafeLock()
        # The last used is last. None stands for a fit of which nothing is kept.
        self._indexes: OrderedDict[Key, RepeatedIndex | None] = OrderedDict()
        self._last_used = 0.0
        self._timer: threading.Timer | None = None

    def index(self, rows: NDArray[Any], metric: str, algorithm: str, n_threads: int) -> Index:
        """An index over these rows, or over a copy of them that is kept.

        Parameters
        ----------
        rows, metric, algorithm, n_threads
            As :class:`Index` takes them.
        """
        options: dict[str, Any] = {"algorithm": algorithm, "n_threads": n_threads}
        if rows.nbytes < _FEWEST_BYTES or not rows.flags.c_contiguous:
            return Index(rows, metric, **options)
        if limit_for(rows) is not None or 2 * rows.nbytes > _most_bytes():
            return Index(rows, metric, **options)
        n_rows, n_features = rows.shape
        some = rows[:: max(1, n_rows // _ROWS_SEEN), :: max(1, n_features // _FEATURES_SEEN)]
        key = metric, algorithm, rows.dtype.str, rows.shape, hash(some.tobytes())
        with self._lock.held():
            is_repeated = key in self._indexes
            kept = self._indexes.setdefault(key, None)
            self._indexes.move_to_end(key)
            while len(self._indexes) > _MOST_SEEN:
                self._drop(next(iter(self._indexes)))
                self._indexes.popitem(last=False)
        if not is_repeated:
            return Index(rows, metric, **options)
        if kept is None or not same(kept.rows, rows):
            own = rows.copy()
            own.flags.writeable = False
            kept = RepeatedIndex(own, metric, **options)
            with self._lock.held():
                self._drop(key)
                self._indexes[key] = kept
                kept.keep_in(self)
        self.used(kept)
        return kept

    def used(self, index: RepeatedIndex, answers: tuple[_Answer, ...] | None = None) -> None:
        """An index was used, and has new answers: drop what exceeds the limit; wait anew."""
        with self._lock.held():
            for key in [key for key, kept in self._indexes.items() if kept is index]:
                self._indexes.move_to_end(key)
                if answers is not None:
                    index.keep_in(self, answers)
            left = _most_bytes()
            for key, kept in reversed(self._indexes.items()):
                left -= 0 if kept is None else kept.nbytes_kept
                if left < 0:
                    self._drop(key)
            self._last_used = monotonic()
            if self._timer is None:
                self._wait(self._seconds)

    def forget(self) -> None:
        """Drop everything."""
        with self._lock.held():
            for key in self._indexes:
                self._drop(key)
            self._indexes.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    @property
    def nbytes(self) -> int:
        """Bytes of all that is kept."""
        with self._lock.held():
            return sum(kept.nbytes_kept for kept in self._indexes.values() if kept is not None)

    def _drop(self, key: Key) -> None:
        """Keep nothing of a fit but that it was seen."""
        kept = self._indexes.get(key)
        self._indexes[key] = None
        if kept is not None:
            kept.keep_in(None)

    def _wait(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._forget_if_unused)
        self._timer.daemon = True
        try:
            self._timer.start()
        except RuntimeError:  # no memory for another thread: nothing is kept that would not end
            self.forget()

    def _forget_if_unused(self) -> None:
        with self._lock.held():
            left = self._last_used + self._seconds - monotonic()
            if left > 0:
                self._wait(left)
            else:
                self.forget()


def _most_bytes() -> int:
    return int(min(sklearn.get_config()["working_memory"], 1 << 40)) << 20


repeats = Repeats()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=repeats.forget)
