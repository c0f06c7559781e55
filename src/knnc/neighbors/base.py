"""Fit, validation and kneighbors of every estimator here, on the integer engine where it applies.

:class:`IntegerFitMixin` stands before scikit-learn's class among the bases of an estimator. It
asks one question, at fit: can the engine serve these parameters and this X? If so, the rows are
narrowed to bytes and packed, `engine_` is "integer", and every neighbour search comes from
:class:`knnc.engine.index.Index`. If not, scikit-learn's own fit and search run, and `engine_` is
"sklearn". :class:`IntegerNeighborsMixin` adds the search for the k nearest, `within` the search
for all rows within a radius.
"""

from __future__ import annotations

from math import trunc
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from knnc import _compat
from knnc._pickling import MarkedStateMixin
from knnc._rollback import unchanged_after_error
from knnc.engine.encoding import Encoding, encode_rows
from knnc.engine.index import Index
from knnc.engine.system.progress import current, progress
from knnc.engine.system.threads import effective_n_threads
from knnc.neighbors import fallback
from knnc.neighbors.fitted_rows import LazyIndex, as_bytes, ready_to_scan
from knnc.neighbors.metrics import ENGINE_METRICS, engine_metric
from knnc.neighbors.row_mask import Mask, checked_mask, kneighbors_among

if TYPE_CHECKING:  # the class that stands after the mixin
    from sklearn.neighbors import NearestNeighbors as _ScikitLearn
else:
    _ScikitLearn = object

__all__ = ["IntegerFitMixin", "IntegerNeighborsMixin", "wants_exact"]

# Elements of sparse queries made dense at a time.
_DENSE_CHUNK = 1 << 20

_INTEGER_ALGORITHMS = ("auto", "brute", "pruned")
_NOT_BYTES = (
    "X holds numbers that are neither all whole numbers from 0 to 255 nor all pixels of that kind "
    "divided by 255"
)


class IntegerFitMixin(MarkedStateMixin, _ScikitLearn):
    """Fits for the integer engine where it can, for scikit-learn's search elsewhere.

    Attributes
    ----------
    engine_ : {"integer", "sklearn"}
        Which search serves this fit.

    Notes
    -----
    A fit keeps rows that are C-contiguous uint8, and in any layout uint8 and bool ones that are
    larger than `max_memory` (:func:`knnc.config_context`) unless algorithm="pruned", which takes
    C-contiguous ones. All others are copied into memory, int8 of a memory map too.
    """

    engine_: str
    n_features_in_: int
    n_samples_fit_: int
    # With engine_ "integer" only: the training rows as bytes, and what a byte stands for.
    _rows: NDArray[np.uint8]
    _encoding: Encoding
    _lazy_index: LazyIndex

    @property
    def _fit_X(self) -> Any:  # noqa: N802
        """The training rows as scikit-learn's attribute has them: numbers in the units of X.

        scikit-learn and converters read this attribute. With `engine_` "integer" the numbers are
        made from the bytes when they are read, and not kept.
        """
        if "_rows" in self.__dict__:
            return self._numbers()
        if "_fit_X" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute '_fit_X'")
        return self.__dict__["_fit_X"]

    @_fit_X.setter
    def _fit_X(self, rows: Any) -> None:  # noqa: N802
        self.__dict__.pop("_rows", None)
        self.__dict__["_fit_X"] = rows

    def _numbers(self) -> NDArray[Any]:
        return self._lazy_index.numbers(self._encoding)

    # ---- fit

    def _fit(self, X: Any, y: Any = None) -> Any:
        """Fit; if that fails, with any error, the estimator is as it was before."""
        with unchanged_after_error(self):
            self._fit_somewhere(X, y)
        return self

    def _fit_somewhere(self, X: Any, y: Any) -> None:
        if isinstance(X, IntegerFitMixin) and vars(X).get("engine_") == "integer":
            X = X._lazy_index.numbers(X._encoding)
        reason = self._why_not_integer(X)
        if self.algorithm == "pruned":
            self._check_can_be_pruned()
        names = None
        if reason is None:
            X, y = self._validated_fit(X, y)
            sparse = issparse(X)  # as a frame of sparse columns has become
            narrowed = None if sparse else as_bytes(X, self.algorithm)
            if narrowed is not None:
                self._fit_integer(*narrowed, y)
                return
            reason = "X is sparse" if sparse else _NOT_BYTES
            names = self.__dict__.get("feature_names_in_")  # X has lost them
        if self.algorithm == "pruned":
            raise ValueError(f"algorithm='pruned' needs the integer engine, and {reason}.")
        super()._fit(X, y)
        if names is not None:
            self.feature_names_in_ = names
        self._n_threads()  # which says what is no number of threads
        self.engine_ = "sklearn"
        for name in ("_encoding", "_lazy_index"):
            self.__dict__.pop(name, None)

    def _why_not_integer(self, X: Any) -> str | None:
        """Why the engine cannot serve these parameters and this kind of X, or None if it can."""
        if self.algorithm not in _INTEGER_ALGORITHMS:
            return f"algorithm={self.algorithm!r} is scikit-learn's own"
        if engine_metric(self.metric, self.p, self.metric_params) is None:
            return (
                "it computes only distances that are integers, or one rounding away from an "
                f"integer: {', '.join(ENGINE_METRICS)}, and minkowski with p=1, p=2 or p=inf and "
                f"without weights; not metric={self.metric!r} with p={self.p!r} and "
                f"metric_params={self.metric_params!r}"
            )
        if issparse(X):
            return "X is sparse"
        if isinstance(X, _compat.PREBUILT):
            return f"X is a {type(X).__name__} that is already built"
        return None

    def _check_can_be_pruned(self) -> None:
        metric = engine_metric(self.metric, self.p, self.metric_params)
        if metric is not None and not metric.can_be_pruned:
            raise ValueError(
                "algorithm='pruned' rules rows out by short codes, and there are none whose "
                f"distances bound metric={metric.name!r}; 'auto' and 'brute' search by it."
            )

    def _validated_fit(self, X: Any, y: Any) -> tuple[NDArray[Any], Any]:
        """X and y as scikit-learn's fit checks them, but X not yet copied into C order."""
        if get_tags(self).target_tags.required:
            X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True)
        else:
            X = validate_data(self, X, accept_sparse="csr")
        return (fallback.as_numbers(X) if X.dtype.hasobject else X), y

    def _fit_integer(self, rows: NDArray[np.uint8], encoding: Encoding, y: Any) -> None:
        # scikit-learn's fit does the rest: classes, the check of the metric, effective_metric_.
        super()._fit(_compat.fitted_rows(rows), y)
        self._rows, self._encoding = self.__dict__.pop("_fit_X"), encoding
        self.engine_ = "integer"
        self._attach_index()
        self._lazy_index.get(self._n_threads())

    def _attach_index(self, index: Index | None = None) -> None:
        """Say how the rows are searched; by an index that there is, or by one made when needed."""
        metric = ENGINE_METRICS[self.effective_metric_]
        algorithm = self.algorithm if self.algorithm in _INTEGER_ALGORITHMS else "auto"
        if algorithm == "pruned" and not metric.can_be_pruned:
            algorithm = "auto"  # set after the fit
        self._rows = ready_to_scan(self._rows, algorithm)  # pickles may hold them in any layout
        self._lazy_index = LazyIndex(self._rows, metric.engine, algorithm, index)

    def _check_algorithm_metric(self) -> None:
        if self.algorithm == "pruned":
            _compat.check_metric(self)
        else:
            super()._check_algorithm_metric()

    def _n_threads(self) -> int:
        return effective_n_threads(self.n_jobs)

    # ---- queries

    def _narrowed_queries(
        self, X: Any
    ) -> tuple[NDArray[np.uint8], tuple[NDArray[np.bool_], NDArray[np.float64]] | None]:
        """Bytes of the queries; and if some have none, which have, and the others as floats."""
        # scikit-learn's functions for graphs ask for the rows themselves.
        if X is self._rows or self._lazy_index.holds(X):
            return self._lazy_index.get(self._n_threads()).rows, None
        if (
            type(X) in (np.ndarray, np.memmap)
            and X.dtype == np.uint8
            and X.ndim == 2
            and X.shape[1] == self.n_features_in_
            and X.flags.c_contiguous
            and len(X) > 0
            and self._encoding.is_plain
            and "feature_names_in_" not in self.__dict__
        ):
            return X, None  # all that validate_data, 0.1 ms, would have found out
        X = fallback.validated_queries(self, X)
        if issparse(X):
            step = max(1, _DENSE_CHUNK // X.shape[1])
            chunks = [X[start : start + step] for start in range(0, X.shape[0], step)]
            narrowed = [encode_rows(chunk.toarray(), self._encoding) for chunk in chunks]
            rows = np.concatenate([part for part, _ in narrowed])
            representable = np.concatenate([part for _, part in narrowed])
        else:
            rows, representable = encode_rows(X, self._encoding)
        if representable.all():
            return rows, None
        others = X[~representable]
        if issparse(others):
            others = others.toarray()
        return rows, (representable, np.ascontiguousarray(others, dtype=np.float64))

    def _to_float(self, dist: NDArray[np.int64]) -> NDArray[np.float64]:
        metric = ENGINE_METRICS[self.effective_metric_]
        return metric.to_float(dist, self._encoding.divisor, self.n_features_in_)

    # ---- pickle, joblib, copy: the rows once, nothing that is packed

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_lazy_index", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.__dict__.get("engine_") == "integer":
            if "_fit_X" in self.__dict__:  # older versions had the bytes there
                self._rows = self.__dict__.pop("_fit_X")
            self._attach_index()


class IntegerNeighborsMixin(IntegerFitMixin):
    """The k nearest training rows, by the engine that serves the fit."""

    def kneighbors(
        self,
        X: Any = None,
        n_neighbors: int | None = None,
        return_distance: bool | Literal["exact"] = True,
        *,
        row_mask: ArrayLike | None = None,
    ) -> Any:
        """Find the k nearest training rows of each query.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None, default=None
            The queries. None is leave-one-out: each training row is a query and is left out of
            its own neighbours, by its index, whether or not it has duplicates.
        n_neighbors : int or None, default=None
            Neighbours of each query; None for the estimator's own `n_neighbors`.
        return_distance : bool or "exact", default=True
            Whether to return the distances too; "exact" as the integers that they are computed
            from: squared for "euclidean", and of bytes, so that pixels divided by 255 have
            distances 255 times as large, squared ones 255 * 255 times.
        row_mask : array-like of shape (n_samples_fit,), bool, or None, default=None
            The training rows to search among. Indices are those of all rows. With X None every
            training row is a query, whether in the mask or not.

        Returns
        -------
        neigh_dist : ndarray of shape (n_queries, n_neighbors), float64 or int64
            Distances, ascending; only if `return_distance`. int64 if it is "exact".
        neigh_ind : ndarray of shape (n_queries, n_neighbors), intp
            Indices of the training rows; at the same distance the smaller index comes first.

        Raises
        ------
        ValueError
            If X has another number of features, is empty or holds NaN or infinity, or if
            `n_neighbors` is less than 1 or more than there are rows (leave-one-out: other rows),
            of the mask if there is one; or if distances should be exact and scikit-learn has to
            search.
        TypeError
            If `n_neighbors` is no integer or `row_mask` not boolean.

        Notes
        -----
        With `engine_` "integer" a query is searched there if the encoding that fit chose can hold
        it without loss, and otherwise by scikit-learn over the training rows as floats; each query
        is judged by itself, so its answer does not depend on the others. With `engine_` "sklearn"
        the answers are scikit-learn's, order of ties and leave-one-out with duplicates included.

        What the engine makes ready of the rows of a mask is kept until another mask comes.

        Examples
        --------
        >>> import numpy as np
        >>> from knnc import NearestNeighbors
        >>> X = np.array([[0, 0], [0, 3], [4, 0]], dtype=np.uint8)
        >>> NearestNeighbors(n_neighbors=2).fit(X).kneighbors([[0, 0]])
        (array([[0., 3.]]), array([[0, 1]]))
        """
        integer = self.__dict__.get("engine_") == "integer"
        if not integer:
            check_is_fitted(self)
        exact = wants_exact(return_distance)
        k = self._checked_k(n_neighbors)
        mask = None if row_mask is None else checked_mask(row_mask, self.n_samples_fit_)
        if integer:
            dist, ind = self._search(X, k, mask, return_distance)
        elif exact:
            raise ValueError(
                "return_distance='exact' needs the integer engine, and scikit-learn's search "
                "serves this fit (engine_ is 'sklearn')."
            )
        elif mask is None:
            dist, ind = fallback.kneighbors(self, X, k)
        else:
            n_queries = self.n_samples_fit_ if X is None else _compat.num_samples(X)
            self._check_enough_rows(k, n_queries, mask, leave_out=X is None)
            dist, ind = kneighbors_among(self, X, k, mask)
        return (dist, ind) if return_distance else ind

    def _checked_k(self, n_neighbors: Any) -> int:
        k: Any = self.n_neighbors if n_neighbors is None else n_neighbors
        if isinstance(k, Real) and k <= 0:
            raise ValueError(f"Expected n_neighbors > 0. Got {trunc(k)}")
        if not isinstance(k, Integral):
            raise TypeError(f"n_neighbors does not take {type(k)} value, enter integer value")
        return int(k)

    def _search(
        self, X: Any, k: int, mask: Mask | None, return_distance: bool | Literal["exact"]
    ) -> tuple[NDArray[Any] | None, NDArray[np.intp]]:
        floats = None
        if X is None:
            queries = None
            n_queries = self.n_samples_fit_
        else:
            queries, floats = self._narrowed_queries(X)
            n_queries = len(queries) if floats is None else len(floats[0])
        self._check_enough_rows(k, n_queries, mask, leave_out=X is None)
        exact = wants_exact(return_distance)
        if floats is not None:
            if exact:
                raise ValueError(
                    f"return_distance='exact' needs queries that are bytes under the encoding that "
                    f"fit chose; {len(floats[1])} of {n_queries} are not."
                )
            assert queries is not None
            return self._search_mixed(queries, *floats, k, mask)
        dist, ind = self._lazy_index.search(queries, k, self._n_threads(), mask)
        ind = ind.astype(np.intp, copy=False)
        if exact:
            return dist, ind
        return self._to_float(dist) if return_distance else None, ind

    def _check_enough_rows(
        self, k: int, n_queries: int, mask: Mask | None = None, *, leave_out: bool
    ) -> None:
        n_samples_fit = self.n_samples_fit_ if mask is None else int(mask.sum())
        if k + leave_out > n_samples_fit:
            raise ValueError(
                f"Expected n_neighbors {'<' if leave_out else '<='} n_samples_fit, but "
                f"n_neighbors = {k}, n_samples_fit = {n_samples_fit}, n_samples = {n_queries}"
            )

    def _search_mixed(
        self,
        queries: NDArray[np.uint8],
        representable: NDArray[np.bool_],
        others: NDArray[np.float64],
        k: int,
        mask: Mask | None,
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Each query by the search that can hold it, in the order they came in."""
        total = len(representable)
        report = current()
        dist = np.empty((total, k))
        ind = np.empty((total, k), dtype=np.intp)
        if len(queries):
            with progress(report and (lambda done, _: report(done, total))):
                found, ind[representable] = self._lazy_index.search(
                    queries, k, self._n_threads(), mask
                )
            dist[representable] = self._to_float(found)
        dist[~representable], nearest = fallback.kneighbors_of_floats(
            self._rows if mask is None else self._rows[mask],
            self._encoding,
            others,
            k,
            ENGINE_METRICS[self.effective_metric_].name,
            report and (lambda done: report(len(queries) + done, total)),
        )
        ind[~representable] = nearest if mask is None else np.flatnonzero(mask)[nearest]
        return dist, ind


def wants_exact(return_distance: Any) -> bool:
    """Whether `return_distance` asks for integers; a ValueError if it is another string."""
    if not isinstance(return_distance, str):
        return False
    if return_distance != "exact":
        raise ValueError(f"return_distance must be a bool or 'exact', got {return_distance!r}.")
    return True
