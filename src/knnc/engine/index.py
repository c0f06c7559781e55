"""One exact search over packed rows: arrays in, (distance, row index) out."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine import runtime as _runtime  # noqa: F401  the environment's wishes come first
from knnc.engine import search
from knnc.engine.progress import current
from knnc.engine.threads import safe_n_threads

METRICS = ("sqeuclidean", "manhattan")
ALGORITHMS = ("auto", "brute", "pruned")


class Index:
    """Training rows, packed for the kernel of one metric, and the search over them.

    Parameters
    ----------
    rows : ndarray of shape (n_samples_fit, n_features), uint8, C-contiguous
        They are copied into the kernel's layout; the array itself is not kept.
    metric : {"sqeuclidean", "manhattan"}
        Squared Euclidean or Manhattan distance, both exact integers.
    algorithm : {"auto", "brute", "pruned"}, default="auto"
        It never changes an answer.
    kernel : str or None, default=None
        The name of a kernel of :func:`knnc.engine.search.available_kernels`; None for the best.
    n_threads : int, default=1
        Threads that pack.

    Raises
    ------
    TypeError, ValueError
        If `rows` are not as stated, or a name is unknown.
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
    ) -> None:
        if metric not in METRICS:
            raise ValueError(f"Unknown metric {metric!r}; the engine computes {METRICS}.")
        if algorithm not in ALGORITHMS:
            raise ValueError(f"Unknown algorithm {algorithm!r}; there are {ALGORITHMS}.")
        _check_bytes(rows, "rows")
        if rows.shape[0] < 1 or rows.shape[1] < 1:
            raise ValueError(f"rows need at least one row and one feature, got {rows.shape}.")
        self.metric = metric
        self.algorithm = algorithm
        self.n_samples_fit, self.n_features = rows.shape
        self._rows = rows
        self._packed = search.PackedRows(rows, metric, kernel, safe_n_threads(n_threads))

    @property
    def kernel(self) -> str:
        """Name of the kernel that searches."""
        name: str = self._packed.kernel_name
        return name

    @property
    def nbytes_packed(self) -> int:
        """Bytes of the packed rows."""
        return int(self._packed.nbytes)

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
        """
        leave_out = queries is None
        if queries is None:
            queries = self._rows
        else:
            _check_bytes(queries, "queries")
            if queries.shape[1] != self.n_features:
                raise ValueError(
                    f"queries have {queries.shape[1]} features, the rows {self.n_features}."
                )
        if not isinstance(k, Integral):
            raise TypeError(f"k must be an integer, got {type(k).__name__}.")
        largest = self.n_samples_fit - leave_out
        if not 1 <= k <= largest:
            raise ValueError(f"k must be from 1 to {largest}, got {k}.")
        if n_threads < 1:
            raise ValueError(f"n_threads must be at least 1, got {n_threads}.")
        return search.search(
            self._packed, queries, k, safe_n_threads(n_threads), leave_out, current()
        )


def _check_bytes(array: Any, name: str) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        kind = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"{name} must be a uint8 array, got {kind}.")
    if array.ndim != 2 or not array.flags.c_contiguous:
        raise ValueError(f"{name} must be two-dimensional and C-contiguous.")
