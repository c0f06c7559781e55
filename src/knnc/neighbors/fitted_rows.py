"""Training rows as bytes or floats, the index over them, and the numbers that bytes stand for."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.auto import Policy
from knnc.engine.encoding import Encoding, decode, encode_fit
from knnc.engine.index import Index
from knnc.engine.scan.streamed import is_to_stream, rows_in_place
from knnc.engine.system.locks import ForkSafeLock
from knnc.neighbors.repeated import repeats
from knnc.neighbors.row_mask import Mask, MaskedIndex

__all__ = ["LazyIndex", "as_bytes", "ready_to_scan"]

# Elements decoded at a time.
_CHUNK = 1 << 16

_building = ForkSafeLock()


class LazyIndex:
    """The index over an estimator's rows, built when first asked for, once."""

    def __init__(
        self, rows: NDArray[Any], metric: str, algorithm: str, index: Index | None = None
    ) -> None:
        self._arguments = rows, metric, algorithm
        self._index = index
        self._decoded: Index | None = None
        self._masked: MaskedIndex | None = None
        self._numbers: weakref.ref[NDArray[Any]] | None = None

    def get(self, n_threads: int) -> Index:
        """The index; several threads that ask at once wait for one of them to build it."""
        if self._index is None:
            with _building.held():
                if self._index is None:
                    rows, metric, algorithm = self._arguments
                    rows = ready_to_scan(rows, algorithm)  # the settings may have changed
                    self._index = repeats.index(rows, metric, algorithm, n_threads)
        return self._index

    def decoded(self, encoding: Encoding, n_threads: int) -> Index | None:
        """An index over what bytes of few features stand for, for queries that are no bytes.

        None of many features: these are compared with the bytes themselves.
        """
        rows, metric, algorithm = self._arguments
        if algorithm != "auto" or rows.shape[1] > Policy.tree_features or is_to_stream(rows):
            return None
        if self._decoded is None:
            with _building.held():
                if self._decoded is None:
                    values = decode(np.ascontiguousarray(rows), encoding)
                    dtype = np.float64 if values.dtype == np.float64 else np.float32
                    values = np.ascontiguousarray(values, dtype)
                    self._decoded = Index(values, metric, n_threads=n_threads)
        return self._decoded

    def numbers(self, encoding: Encoding | None) -> NDArray[Any]:
        """What was fitted; made again when nobody has the array from before.

        `encoding` is None where the rows are floats.
        """
        numbers = None if self._numbers is None else self._numbers()
        if numbers is None:
            numbers = _fitted_numbers(self._arguments[0], encoding)
            self._numbers = weakref.ref(numbers)
        return numbers

    def holds(self, X: object) -> bool:
        """Whether this very array was returned by :meth:`numbers`."""
        return self._numbers is not None and X is self._numbers()

    def search(
        self, queries: NDArray[Any] | None, k: int, n_threads: int, mask: Mask | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Search all rows, or those of a mask; what the last mask took to index is kept."""
        index = self.get(n_threads)
        if mask is None:
            return index.search(queries, k, n_threads=n_threads)
        masked = self._masked
        again = masked is not None and np.array_equal(masked.mask, mask)
        if masked is None or not again:
            masked = self._masked = MaskedIndex(index, self._arguments[0], mask.copy())
        return masked.search(queries, k, n_threads=n_threads, again=again)


def ready_to_scan(rows: NDArray[Any], algorithm: str) -> NDArray[Any]:
    """The rows, copied if they are not contiguous and are not to be streamed as they are."""
    may_be_streamed = rows.dtype == np.uint8 and algorithm != "pruned"
    if rows.flags.c_contiguous or (may_be_streamed and is_to_stream(rows)):
        return rows
    return np.ascontiguousarray(rows)


def as_bytes(X: NDArray[Any], algorithm: str) -> tuple[NDArray[np.uint8], Encoding] | None:
    """Training rows as bytes, if they are some; not copied if they need not be."""
    if X.dtype == np.uint8 and X.flags.c_contiguous:
        return np.ascontiguousarray(X), Encoding(X.dtype)
    return rows_in_place(X, contiguous=algorithm == "pruned") or encode_fit(X)


def _fitted_numbers(rows: NDArray[Any], encoding: Encoding | None) -> NDArray[Any]:
    """What an estimator was fitted to: its rows where they are just that, else a copy.

    The rows of a copy are not contiguous: scikit-learn's own methods would search contiguous floats
    themselves, and go round the engine. The copy is read-only, so that it is still these rows when
    it comes back as queries.
    """
    if encoding is not None and encoding.dtype in (np.uint8, np.bool_):
        return rows if encoding.dtype == np.uint8 else rows.view(np.bool_)
    n_samples, n_features = rows.shape
    dtype = rows.dtype if encoding is None else encoding.dtype
    numbers: NDArray[Any] = np.empty((n_samples, n_features + 1), dtype)[:, :-1]
    step = max(1, _CHUNK // n_features)
    for start in range(0, n_samples, step):
        piece = slice(start, start + step)
        numbers[piece] = rows[piece] if encoding is None else decode(rows[piece], encoding)
    numbers.flags.writeable = False
    return numbers
