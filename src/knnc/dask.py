"""Nearest neighbours among training rows on the workers of a Dask cluster.

::

    import dask.array as da
    from knnc.dask import KNeighborsClassifier

    clf = KNeighborsClassifier(n_neighbors=5).fit(X, y)  # X: dask array, uint8, chunks of rows
    clf.predict(queries).compute()

The chunks of X stay where they are, each with an index over it; blocks of queries are sent to them.
What each chunk finds, k pairs of (distance, row index) a query, is merged in a tree by these pairs,
so the answer is that of one machine with all rows, bit for bit, however X is cut. Nothing but
these pairs, and the labels of those rows, leaves a worker. A worker that is lost takes its chunks
with it; Dask makes them again elsewhere from what X is computed from.

`fit` computes (it makes the indexes, and finds the classes); `kneighbors`, `predict` and
`predict_proba` are lazy. It works with Dask's threads too, without a cluster. Queries that fit one
machine's index need none of this: ``da.map_blocks(clf.predict, queries)`` with an estimator of
knnc itself, which is sent to each worker.

Threads: a task of Dask's threads, or of a worker with several, uses its share of the CPUs that a
search of its own would use, at least one. Workers that Dask's nanny starts have OMP_NUM_THREADS=1
unless configured otherwise, so a worker a core, or one worker with `n_jobs` and one thread, is
right; several threads a worker and `n_jobs` multiply.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

import knnc.neighbors
from knnc.engine.index import Index
from knnc.engine.threads import effective_n_threads
from knnc.neighbors.metrics import ENGINE_METRICS, EngineMetric, engine_metric

try:
    import dask
    import dask.array as da
    from dask.sizeof import sizeof
except ImportError as error:
    raise ImportError(
        'knnc.dask needs dask, which is not installed: pip install "knnc[dask]"'
    ) from error

__all__ = ["KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors"]

Int64 = NDArray[np.int64]
# Distances, row indices and, for an estimator with targets, the targets of these rows.
Found = tuple[Int64, Int64, NDArray[Any] | None]

# Answers merged by one task.
_FAN_IN = 8


class _Chunk:
    """A chunk of training rows, and its index, which is made where the rows are.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), uint8
    targets : ndarray of shape (n_rows,) or (n_rows, n_outputs), or None
    metric, algorithm : str
        As :class:`Index` takes them.
    """

    def __init__(
        self, rows: NDArray[np.uint8], targets: NDArray[Any] | None, metric: str, algorithm: str
    ) -> None:
        if rows.dtype != np.uint8:
            raise TypeError(f"A chunk of X holds {rows.dtype}, and X said uint8.")
        if targets is not None and len(targets) != len(rows):
            raise ValueError(f"A chunk of X has {len(rows)} rows and that of y {len(targets)}.")
        self.rows = np.ascontiguousarray(rows)
        self.targets = targets
        self._how = metric, algorithm
        self._index: Index | None = None
        self._making = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Chunk, (self.rows, self.targets, *self._how)

    def ready(self, n_jobs: int | None) -> Self:
        """The chunk with its index made."""
        with self._making:
            if self._index is None and len(self.rows):
                metric, algorithm = self._how
                self._index = Index(
                    self.rows, metric, algorithm=algorithm, n_threads=_task_threads(n_jobs)
                )
        return self

    def search(self, queries: NDArray[np.uint8], k: int, first: int, n_jobs: int | None) -> Found:
        """The k nearest, or as many as there are; row 0 is row `first` of all."""
        index = self.ready(n_jobs)._index
        if index is None:
            dist = ind = np.empty((len(queries), 0), np.int64)
        else:
            dist, ind = index.search(
                np.ascontiguousarray(queries),
                min(k, len(self.rows)),
                n_threads=_task_threads(n_jobs),
            )
        targets = None if self.targets is None else self.targets[ind]
        return dist, ind + first, targets


def _bytes_of(chunk: _Chunk) -> int:
    """Rows, and about as much for what is made of them: the scheduler sends queries to rows."""
    return 2 * chunk.rows.nbytes + (0 if chunk.targets is None else chunk.targets.nbytes)


sizeof.register(_Chunk, _bytes_of)


def _task_threads(n_jobs: int | None) -> int:
    """Threads of a search in a task: those of one of its own, divided by tasks at a time."""
    n_threads = effective_n_threads(n_jobs)
    if n_jobs is not None or threading.current_thread() is threading.main_thread():
        return n_threads
    try:
        from distributed import get_worker

        at_a_time: int = get_worker().state.nthreads
    except (ImportError, ValueError):  # no cluster: Dask's own threads
        at_a_time = dask.config.get("num_workers", None) or dask.system.CPU_COUNT
    return max(1, n_threads // at_a_time)


def _make(rows: Any, targets: Any, metric: str, algorithm: str, n_jobs: int | None) -> _Chunk:
    return _Chunk(rows, targets, metric, algorithm).ready(n_jobs)


def _search(chunk: _Chunk, queries: Any, k: int, first: int, n_jobs: int | None) -> Found:
    return chunk.search(queries, k, first, n_jobs)


def _rows_of(chunk: _Chunk) -> NDArray[np.uint8]:
    return chunk.rows


def _merge(parts: Sequence[Found], k: int) -> Found:
    """The k smallest (distance, row index) of several answers."""
    dist = np.concatenate([part[0] for part in parts], axis=1)
    ind = np.concatenate([part[1] for part in parts], axis=1)
    order = np.lexsort((ind, dist), axis=1)[:, :k]
    targets = None
    if parts[0][2] is not None:
        targets = np.concatenate([part[2] for part in parts], axis=1)
        targets = targets[np.arange(len(order))[:, np.newaxis], order]
    return np.take_along_axis(dist, order, axis=1), np.take_along_axis(ind, order, axis=1), targets


def _without_self(found: Found, first: int, k: int) -> Found:
    """Of k + 1 neighbours of the rows from `first` on the k that are not a row itself."""
    dist, ind, targets = found
    own = ind == np.arange(first, first + len(ind))[:, np.newaxis]
    own[~own.any(axis=1), -1] = True
    kept = ~own
    shape = len(ind), k
    if targets is not None:
        targets = targets[kept].reshape(*shape, *targets.shape[2:])
    return dist[kept].reshape(shape), ind[kept].reshape(shape), targets


def _distances(found: Found, metric: str, n_features: int) -> NDArray[np.float64]:
    return ENGINE_METRICS[metric].to_float(found[0], 1, n_features)


def _indices(found: Found) -> NDArray[np.intp]:
    return found[1].astype(np.intp, copy=False)


class _Known:
    """Stands before an estimator of knnc whose neighbours, and their targets, are known."""

    _known: tuple[NDArray[np.float64], NDArray[np.intp]]

    def kneighbors(
        self,
        X: Any = None,
        n_neighbors: int | None = None,
        return_distance: bool | Literal["exact"] = True,
        *,
        row_mask: ArrayLike | None = None,
    ) -> Any:
        """Those that are known, whatever is asked."""
        return self._known if return_distance else self._known[1]


class _KnownClassifier(_Known, knnc.neighbors.KNeighborsClassifier):
    pass


class _KnownRegressor(_Known, knnc.neighbors.KNeighborsRegressor):
    pass


def _predicted(
    found: Found, method: str, weights: Any, classes: Any, metric: str, n_features: int
) -> Any:
    """What an estimator of knnc itself makes of these neighbours."""
    dist, _, targets = found
    assert targets is not None
    places = np.arange(dist.size).reshape(dist.shape)
    several = targets.ndim == 3
    if classes is None:
        estimator: Any = _KnownRegressor(dist.shape[1], weights=weights)
        estimator._y = targets.reshape(dist.size, *targets.shape[2:])
    else:
        estimator = _KnownClassifier(dist.shape[1], weights=weights)
        outputs = np.moveaxis(targets, 2, 0) if several else [targets]
        codes = [
            np.searchsorted(names, labels.ravel())
            for names, labels in zip(classes, outputs, strict=True)
        ]
        estimator._y = np.stack(codes, axis=1) if several else codes[0]
        estimator.classes_ = list(classes) if several else classes[0]
        estimator.outputs_2d_ = several
    estimator._fit_method = "brute"
    estimator.n_features_in_ = n_features
    estimator._known = _distances(found, metric, n_features), places
    return getattr(estimator, method)(np.empty((len(dist), n_features), np.uint8))


class NearestNeighbors(BaseEstimator):
    """Exact nearest-neighbour search over rows that stay on Dask's workers.

    Parameters
    ----------
    n_neighbors : int, default=5
    algorithm : {"auto", "brute", "pruned"}, default="auto"
        As :class:`knnc.NearestNeighbors` takes it, for each chunk. It never changes an answer.
    metric : str, default="minkowski"
        One that the integer engine computes: "euclidean", "sqeuclidean", "manhattan", "chebyshev",
        "hamming", or "minkowski" with p=1, p=2 or p=inf.
    p : float, default=2
    n_jobs : int or None, default=None
        Threads of each task; see :mod:`knnc.dask`.

    Attributes
    ----------
    n_features_in_ : int
    n_samples_fit_ : int
    """

    n_features_in_: int
    n_samples_fit_: int

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        algorithm: str = "auto",
        metric: str = "minkowski",
        p: float = 2,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm
        self.metric = metric
        self.p = p
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Make an index of each chunk, where it is.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_samples, n_features), uint8
            Cut into chunks of rows of any sizes, empty ones among them.
        y : Ignored

        Returns
        -------
        self : object

        Raises
        ------
        TypeError, ValueError
            If X or a parameter is not as stated.
        """
        return self._fit(X, None)

    def _fit(self, X: Any, y: Any) -> Self:
        metric = engine_metric(self.metric, self.p)
        if metric is None:
            raise ValueError(
                f"metric={self.metric!r} with p={self.p!r} is none of the integer engine's: "
                f"{', '.join(ENGINE_METRICS)}, and minkowski with p=1, p=2 or p=inf."
            )
        if self.algorithm not in ("auto", "brute", "pruned"):
            raise ValueError(f"algorithm must be auto, brute or pruned, got {self.algorithm!r}.")
        if self.algorithm == "pruned" and not metric.can_be_pruned:
            raise ValueError(f"algorithm='pruned' does not go with metric={self.metric!r}.")
        effective_n_threads(self.n_jobs)  # is it one?
        X = _rows_array(X, "X")
        lengths = X.chunks[0]
        blocks = _blocks(X)
        if y is None:
            targets: list[Any] = [None] * len(blocks)
        else:
            targets = list(
                y.rechunk({0: lengths, 1: -1} if y.ndim == 2 else {0: lengths}).to_delayed().ravel()
            )
        make = dask.delayed(_make)
        chunks = [
            make(block, target, metric.engine, self.algorithm, self.n_jobs)
            for block, target in zip(blocks, targets, strict=True)
        ]
        self._chunks = dask.persist(*chunks)
        self._lengths = lengths
        self._starts = np.concatenate(([0], np.cumsum(lengths)))[:-1].tolist()
        self.n_samples_fit_, self.n_features_in_ = (int(number) for number in X.shape)
        return self

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Find the k nearest training rows of each query, lazily.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_queries, n_features), uint8, or None, default=None
            None is leave-one-out, as with :class:`knnc.NearestNeighbors`.
        n_neighbors : int or None, default=None
        return_distance : bool, default=True

        Returns
        -------
        neigh_dist : dask array of shape (n_queries, n_neighbors), float64
            Only if `return_distance`.
        neigh_ind : dask array of shape (n_queries, n_neighbors), intp
            Both in chunks of rows as X.

        Raises
        ------
        TypeError, ValueError
            If X or `n_neighbors` is not as stated, or there are not so many rows.
        """
        check_is_fitted(self, "n_samples_fit_")
        found, lengths, k = self._found(X, n_neighbors)
        metric, d = self._metric().name, self.n_features_in_
        ind = _joined([dask.delayed(_indices)(part) for part in found], lengths, (k,), np.intp)
        if not return_distance:
            return ind
        parts = [dask.delayed(_distances)(part, metric, d) for part in found]
        return _joined(parts, lengths, (k,), np.float64), ind

    def _metric(self) -> EngineMetric:
        metric = engine_metric(self.metric, self.p)
        assert metric is not None
        return metric

    def _found(self, X: Any, n_neighbors: int | None) -> tuple[list[Any], tuple[int, ...], int]:
        """Lazily what is found for each block of queries, and the lengths of the blocks."""
        k: Any = self.n_neighbors if n_neighbors is None else n_neighbors
        if not isinstance(k, Integral):
            raise TypeError(f"n_neighbors does not take {type(k)} value, enter integer value")
        k = int(k)
        if k < 1:
            raise ValueError(f"Expected n_neighbors > 0. Got {k}")
        if k + (X is None) > self.n_samples_fit_:
            raise ValueError(
                f"Expected n_neighbors {'<' if X is None else '<='} n_samples_fit, but "
                f"n_neighbors = {k}, n_samples_fit = {self.n_samples_fit_}"
            )
        if X is None:
            blocks = [dask.delayed(_rows_of)(chunk) for chunk in self._chunks]
            leave_out = dask.delayed(_without_self)
            found = [
                leave_out(self._found_for(block, k + 1), start, k)
                for block, start in zip(blocks, self._starts, strict=True)
            ]
            return found, self._lengths, k
        X = _rows_array(X, "X")
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        return [self._found_for(block, k) for block in _blocks(X)], X.chunks[0], k

    def _found_for(self, block: Any, k: int) -> Any:
        search, merge = dask.delayed(_search), dask.delayed(_merge)
        parts = [
            search(chunk, block, k, start, self.n_jobs)
            for chunk, start, length in zip(self._chunks, self._starts, self._lengths, strict=True)
            if length
        ]
        while len(parts) > 1:
            parts = [merge(parts[i : i + _FAN_IN], k) for i in range(0, len(parts), _FAN_IN)]
        return parts[0]


class _Supervised(NearestNeighbors):
    """The nearest rows and their targets."""

    classes_: Any

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        weights: Any = "uniform",
        algorithm: str = "auto",
        metric: str = "minkowski",
        p: float = 2,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(n_neighbors, algorithm=algorithm, metric=metric, p=p, n_jobs=n_jobs)
        self.weights = weights

    def _fit_with(self, X: Any, y: Any) -> Any:
        """Fit, and return y as a dask array that goes with X."""
        if self.weights not in ("uniform", "distance", None) and not callable(self.weights):
            raise ValueError(
                f"weights must be 'uniform', 'distance', a callable or None, got {self.weights!r}."
            )
        X = _rows_array(X, "X")
        y = _known_lengths(y if isinstance(y, da.Array) else da.from_array(np.asarray(y)))
        if y.ndim not in (1, 2) or len(y) != len(X):
            raise ValueError(f"y must have a target for each of the {len(X)} rows, got {y.shape}.")
        self._fit(X, y)
        self._outputs = y.shape[1:]
        return y

    def _predict(self, X: Any, method: str, shape: tuple[int, ...], dtype: Any) -> Any:
        found, lengths, _ = self._found(X, None)
        classes = getattr(self, "_classes", None)
        predicted = dask.delayed(_predicted)
        name = self._metric().name
        parts = [
            predicted(part, method, self.weights, classes, name, self.n_features_in_)
            for part in found
        ]
        return _joined(parts, lengths, shape, dtype)


class KNeighborsClassifier(_Supervised):
    """Classification by the votes of the nearest rows, which stay on Dask's workers.

    Parameters
    ----------
    n_neighbors : int, default=5
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        As :class:`knnc.KNeighborsClassifier` takes it.
    algorithm, metric, p, n_jobs
        As :class:`NearestNeighbors` takes them.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or a list of them
    n_features_in_ : int
    n_samples_fit_ : int
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Make an index of each chunk, where it is, and find the classes.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_samples, n_features), uint8
        y : dask array or array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels. They stay with the rows.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError, ValueError
            If X, y or a parameter is not as stated.
        """
        y = self._fit_with(X, y)
        columns = [y[:, i] for i in range(y.shape[1])] if y.ndim == 2 else [y]
        self._classes = list(dask.compute(*(da.unique(column) for column in columns)))
        self.classes_ = self._classes if y.ndim == 2 else self._classes[0]
        return self

    def predict(self, X: Any) -> Any:
        """The label of each query, lazily.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_queries, n_features), uint8, or None
            None predicts each training row from the others.

        Returns
        -------
        y : dask array of shape (n_queries,) or (n_queries, n_outputs)
        """
        check_is_fitted(self, "classes_")
        return self._predict(X, "predict", self._outputs, self._classes[0].dtype)

    def predict_proba(self, X: Any) -> Any:
        """The share of each class in the votes, lazily.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_queries, n_features), uint8, or None

        Returns
        -------
        p : dask array of shape (n_queries, n_classes), float64

        Raises
        ------
        ValueError
            If there are several outputs.
        """
        check_is_fitted(self, "classes_")
        if self._outputs:
            raise ValueError("predict_proba is for one output.")
        return self._predict(X, "predict_proba", (len(self.classes_),), np.float64)

    def score(self, X: Any, y: Any) -> float:
        """The share of queries, or None for the training rows, with the right label; computed."""
        right = self.predict(X) == (y if isinstance(y, da.Array) else np.asarray(y))
        return float((right.all(axis=1) if right.ndim == 2 else right).mean().compute())


class KNeighborsRegressor(_Supervised):
    """Regression by the mean of the nearest rows' targets, which stay on Dask's workers.

    Parameters
    ----------
    n_neighbors : int, default=5
    weights : {"uniform", "distance"}, callable or None, default="uniform"
    algorithm, metric, p, n_jobs
        As :class:`NearestNeighbors` takes them.

    Attributes
    ----------
    n_features_in_ : int
    n_samples_fit_ : int
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Make an index of each chunk, where it is.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_samples, n_features), uint8
        y : dask array or array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers. They stay with the rows.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError, ValueError
            If X, y or a parameter is not as stated.
        """
        self._fit_with(X, y)
        return self

    def predict(self, X: Any) -> Any:
        """The target of each query, lazily.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_queries, n_features), uint8, or None
            None predicts each training row from the others.

        Returns
        -------
        y : dask array of shape (n_queries,) or (n_queries, n_outputs), float64
        """
        check_is_fitted(self, "n_samples_fit_")
        return self._predict(X, "predict", self._outputs, np.float64)


def _known_lengths(array: Any) -> Any:
    """The array with chunks of known sizes, which may have to be computed."""
    if any(np.isnan(length) for lengths in array.chunks for length in lengths):
        return array.copy().compute_chunk_sizes()
    return array


def _rows_array(X: Any, name: str) -> Any:
    """X as a dask array in chunks of whole rows."""
    if not isinstance(X, da.Array):
        X = np.asarray(X)
    if X.dtype != np.uint8:
        raise TypeError(f"{name} must be uint8 for knnc.dask, got {X.dtype}.")
    if X.ndim != 2:
        raise ValueError(f"{name} must have two axes, got {X.ndim}.")
    if not isinstance(X, da.Array):
        X = da.from_array(X, chunks=("auto", -1))
    X = _known_lengths(X)
    if 0 in X.shape:
        raise ValueError(f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s).")
    return X.rechunk({1: -1})


def _blocks(X: Any) -> list[Any]:
    return list(X.to_delayed().ravel())


def _joined(
    parts: Sequence[Any], lengths: Sequence[int], shape: tuple[int, ...], dtype: Any
) -> Any:
    """A dask array of what is found for each block of queries."""
    arrays = [
        da.from_delayed(part, (length, *shape), dtype=dtype)
        for part, length in zip(parts, lengths, strict=True)
    ]
    return da.concatenate(arrays, axis=0)
