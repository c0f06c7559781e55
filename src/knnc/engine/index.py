"""One exact search over rows: arrays in, (distance key, row index) out. Arguments are checked here.

Brute force compares whole rows, packed for a kernel (scan/brute.pyx). The pruned search has short
codes of the rows and reads few rows whole (scan/coded.pyx). The choice between them changes the
time and never the answers. Rows that are larger than the memory for them are streamed
(scan/streamed.py). prepared.py prepares the rows for each of these, and chooses the scan for each
search.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from knnc.engine import dispatch
from knnc.engine.auto import Policy
from knnc.engine.codes.coding import MAX_PRUNED_FEATURES
from knnc.engine.fields import State
from knnc.engine.metrics import METRICS, PRUNED_FLOAT_METRICS, PRUNED_METRICS
from knnc.engine.prepared import PreparedRows
from knnc.engine.prepared_floats import PreparedFloats
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.scan.streamed import StreamedRows
from knnc.engine.system.threads import safe_n_threads

__all__ = ["ALGORITHMS", "Index"]

ALGORITHMS = ("auto", "brute", "pruned")
# Rows of fewer values are made ready by one thread: to wake others takes longer.
SERIAL_VALUES = 1 << 19

_DEFAULT_POLICY = Policy()


class Index:
    """Training rows, prepared for the kernels of one metric, and the search over them.

    Parameters
    ----------
    rows : ndarray of shape (n_samples_fit, n_features), uint8, float32 or float64
        The training rows. They are not copied: if you change them afterwards, the answers are
        undefined. They must be C-contiguous, unless they are bytes larger than `max_memory` and
        `algorithm` is not "pruned". Floats must be finite.
    metric : {"sqeuclidean", "manhattan", "chebyshev", "hamming", "cosine"}
        Squared Euclidean, Manhattan or Chebyshev distance, or the number of features that differ.
        Between bytes all are exact integers. Between floats a distance is a float64, rounded in one
        order everywhere (kernels/floats/floats.h); its key is the bits of the float64. Cosine, for
        floats only, is half the squared Euclidean distance of rows of norm 1; its key is that of
        the whole squared distance.
    algorithm : {"auto", "brute", "pruned"}, default="auto"
        The algorithm never changes an answer. After many queries, "auto" times both searches on a
        sample and takes the faster one. Float rows of few features lie in a k-d tree. Only
        "sqeuclidean", "manhattan" and, for float rows, "cosine" can be pruned.
    kernel : str or None, default=None
        The name of a kernel of :func:`knnc.engine.dispatch.available_kernels`; None for the best.
        Float rows are always compared by the best.
    n_threads : int, default=1
        Threads that prepare the rows.
    max_memory : int or None, default=None
        The most bytes for everything that is made of the rows. If packed rows need more, each
        search streams the rows, a chunk at a time. None takes the setting in force, see
        :func:`knnc.engine.system.memory.limit_for`.
    policy : Policy
        When "auto" tries codes, and how codes are made.

    Raises
    ------
    TypeError, ValueError
        If `rows` are not as stated or a name is unknown. Also if "pruned" is impossible with this
        metric, or with rows of so many features.
    MemoryError
        If there is no memory for the packed rows.
    """

    def __init__(
        self,
        rows: NDArray[Any],
        metric: str = "sqeuclidean",
        *,
        algorithm: str = "auto",
        kernel: str | None = None,
        n_threads: int = 1,
        max_memory: int | None = None,
        policy: Policy = _DEFAULT_POLICY,
    ) -> None:
        n_threads = safe_n_threads(n_threads)
        if np.size(rows) < SERIAL_VALUES:
            n_threads = 1
        self._begin(rows, metric, algorithm, kernel, max_memory, policy, n_threads)
        self._prepared.build(n_threads)

    def _begin(
        self,
        rows: NDArray[Any],
        metric: str,
        algorithm: str,
        kernel: str | None,
        max_memory: int | None,
        policy: Policy,
        n_threads: int,
    ) -> None:
        """Check the arguments, and set everything but what is made of the rows."""
        are_floats = getattr(rows, "dtype", None) in (np.float32, np.float64)
        metrics = METRICS + ("cosine",) * are_floats
        if metric not in metrics:
            raise ValueError(f"Unknown metric {metric!r}; the engine computes {metrics}.")
        if algorithm not in ALGORITHMS:
            raise ValueError(f"Unknown algorithm {algorithm!r}; there are {ALGORITHMS}.")
        dtype = rows.dtype.type if are_floats else np.uint8
        _check_rows(rows, "rows", dtype, in_any_layout=True)
        if rows.shape[0] < 1 or rows.shape[1] < 1:
            raise ValueError(f"rows need at least one row and one feature, got {rows.shape}.")
        self.metric = metric
        self.algorithm = algorithm
        self.n_samples_fit, self.n_features = rows.shape
        self._rows = rows
        self._policy = policy
        pruned_metrics = PRUNED_FLOAT_METRICS if are_floats else PRUNED_METRICS
        if algorithm == "pruned" and metric not in pruned_metrics:
            raise ValueError(
                f"algorithm='pruned' rules rows out by codes, whose distances bound those of "
                f"the metrics {pruned_metrics} only; for {metric!r} there is 'brute'."
            )
        if algorithm == "pruned" and self.n_features > MAX_PRUNED_FEATURES:
            raise ValueError(
                f"algorithm='pruned' takes at most {MAX_PRUNED_FEATURES} features, "
                f"got {self.n_features}."
            )
        self._prepared: PreparedRows | PreparedFloats
        if are_floats:
            _check_rows(rows, "rows", rows.dtype.type)
            self._prepared = PreparedFloats(rows, metric, algorithm, max_memory, policy, n_threads)
            self._kernel = self._prepared.kernel
            return
        self._kernel = dispatch.kernel_for(metric, kernel)
        prepared = PreparedRows(rows, metric, self._kernel, algorithm, max_memory, policy)
        if algorithm == "pruned" or not prepared.plan.is_streamed():
            _check_rows(rows, "rows", np.uint8)
        self._prepared = prepared

    def state(self) -> dict[str, Any]:
        """Everything that :meth:`restored` needs to make this index again."""
        return {
            "metric": self.metric,
            "algorithm": self.algorithm,
            "kernel": self._packed_for,
            "rows": self._rows,
            **self._prepared.state(),
        }

    @classmethod
    def restored(
        cls, state: State, *, n_threads: int = 1, policy: Policy = _DEFAULT_POLICY
    ) -> Self:
        """The index that :meth:`state` described.

        Packed rows and codes are taken from the state. On a machine that searches with another
        kernel they are made anew.

        Raises
        ------
        ValueError, TypeError
            If the state is not one that :meth:`state` returns.
        """
        self = cls.__new__(cls)
        rows: Any = state.get("rows")
        metric, algorithm = state.get("metric"), state.get("algorithm")
        if not isinstance(rows, np.ndarray) or rows.dtype not in (np.uint8, np.float32, np.float64):
            raise TypeError("the rows of a saved index are uint8, float32 or float64")
        self._begin(rows, str(metric), str(algorithm), None, None, policy, 1)
        is_built = state.get("packed") is not None or state.get("pruned") is not None
        if is_built and state.get("kernel") == self._packed_for:
            self._prepared.restore(state)
        else:
            self._prepared.build(safe_n_threads(n_threads))
        return self

    @property
    def kernel(self) -> str:
        """Name of the kernel that searches."""
        return self._kernel

    @property
    def _packed_for(self) -> str:
        """Name of the kernel for which packed rows and codes are made."""
        floats = self._prepared if isinstance(self._prepared, PreparedFloats) else None
        return self._kernel if floats is None else floats.code_kernel

    @property
    def rows(self) -> NDArray[Any]:
        """The rows, in the memory layout in which they were given."""
        return self._rows

    @property
    def is_pruned(self) -> bool:
        """Whether there are codes, which rule rows out before they are compared whole."""
        return self._prepared.is_pruned

    @property
    def is_streamed(self) -> bool:
        """Whether brute force streams the rows, because there is no memory to pack them."""
        return self._prepared.is_streamed

    def scan(self, k: int | None = None) -> tuple[str, str]:
        """How a search for k neighbours reads the rows now, and why; None for few neighbours.

        It is "brute", "streamed" (brute force, a chunk at a time), "pruned" (by codes) or "tree".
        """
        how, why = self._prepared.scan()
        may_be_brute = self.algorithm == "auto" and how in ("pruned", "tree")
        if k is None or not may_be_brute or self._policy.pays_for(k, self.n_samples_fit):
            return how, why
        brute = "streamed" if self.is_streamed else "brute"
        return (
            brute,
            f"codes and trees save no time for {k:,} neighbours of {self.n_samples_fit:,} rows",
        )

    @property
    def nbytes_packed(self) -> int:
        """Bytes of the packed rows and of the codes."""
        return self._prepared.nbytes

    def search(
        self, queries: NDArray[Any] | None, k: int, *, n_threads: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the k nearest rows of each query.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features), C-contiguous, or None
            uint8, or float32 or float64 where the rows are floats. None is leave-one-out: the rows
            are the queries, and row i is no answer to query i.
        k : int
            At most n_samples_fit, less one in leave-one-out.
        n_threads : int, default=1

        Returns
        -------
        dist : ndarray of shape (n_queries, k), int64
            Keys, ascending; rows at the same distance by ascending index. Between bytes a key is
            the exact distance.
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
        With "auto", rows get codes after many queries, if these save time: `engine.auto.Policy`
        says how many. The search that reaches this number makes the codes, which takes seconds for
        millions of rows, and reports no progress meanwhile.
        """
        leave_out = queries is None
        queries = self._checked_queries(queries)
        if not isinstance(k, Integral):
            raise TypeError(f"k must be an integer, got {type(k).__name__}.")
        largest = self.n_samples_fit - leave_out
        if not 1 <= k <= largest:
            raise ValueError(f"k must be from 1 to {largest}, got {k}.")
        n_threads = _checked_n_threads(n_threads)
        first_self = 0 if leave_out else NO_SELF
        return self._prepared.search(queries, k, n_threads, first_self)

    def within(
        self,
        queries: NDArray[Any] | None,
        limit: int,
        *,
        n_threads: int = 1,
        return_distance: bool = True,
        sort: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.int64]]:
        """Find all rows at a distance of at most `limit` from each query.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features), C-contiguous, or None
            uint8, or float32 or float64 where the rows are floats. None is leave-one-out: the rows
            are the queries, and row i is no answer to query i.
        limit : int
            The largest key that is within. No row is within a negative limit.
        n_threads : int, default=1
        return_distance : bool, default=True
        sort : bool, default=False
            Sort by (distance, row index), which needs distances, rather than by row index.

        Returns
        -------
        indptr : ndarray of shape (n_queries + 1,), int64
            The rows of query i are those from indptr[i] to indptr[i + 1].
        dist : ndarray of shape (n_found,), int64, or None
            Keys.
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
        first_self = 0 if queries is None else NO_SELF
        queries = self._checked_queries(queries)
        if not isinstance(limit, Integral):
            raise TypeError(f"limit must be an integer, got {type(limit).__name__}.")
        if sort and not return_distance:
            raise ValueError("sort takes distances: return_distance must be True.")
        n_threads = _checked_n_threads(n_threads)
        limit = max(-1, min(int(limit), np.iinfo(np.int64).max))
        return self._prepared.within(queries, limit, n_threads, first_self, return_distance, sort)

    def streamed_among(self, where: NDArray[np.intp]) -> StreamedRows | None:
        """Some of the rows, ascending, to be streamed; None if there is memory for a copy."""
        if isinstance(self._prepared, PreparedFloats):
            return None
        return self._prepared.streamed_among(where)

    def _checked_queries(self, queries: NDArray[Any] | None) -> NDArray[Any]:
        """The queries, or for None the rows."""
        if queries is None or queries is self._rows:
            return self._rows
        if self._rows.dtype == np.uint8:
            _check_rows(queries, "queries", np.uint8)
        else:
            _check_rows(queries, "queries", np.float32, np.float64)
        if queries.shape[1] != self.n_features:
            raise ValueError(
                f"queries have {queries.shape[1]} features, the rows {self.n_features}."
            )
        return queries


def _checked_n_threads(n_threads: int) -> int:
    if n_threads < 1:
        raise ValueError(f"n_threads must be at least 1, got {n_threads}.")
    return safe_n_threads(n_threads)


def _check_rows(array: Any, name: str, *dtypes: type, in_any_layout: bool = False) -> None:
    if not isinstance(array, np.ndarray) or array.dtype not in dtypes:
        kind = getattr(array, "dtype", type(array).__name__)
        wanted = " or ".join(dtype.__name__ for dtype in dtypes)
        raise TypeError(f"{name} must be a {wanted} array, got {kind}.")
    if array.ndim != 2 or not (in_any_layout or array.flags.c_contiguous):
        raise ValueError(f"{name} must be two-dimensional and C-contiguous.")
