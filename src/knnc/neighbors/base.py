"""Fit and validation of every estimator here, for knnc's engine where it applies.

:class:`IntegerFitMixin` stands before scikit-learn's class among the bases of an estimator. At
fit it chooses what serves these parameters and this X, and `engine_` says which:

"integer"   The rows are narrowed to bytes, and :class:`knnc.engine.index.Index` searches them.
"float"     The index searches the rows as float32 or float64.
"sklearn"   scikit-learn's own fit and search run.

`kneighbors_search` adds the search for the k nearest, `radius_search` the search for all rows
within a radius.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, get_tags
from sklearn.utils.validation import validate_data

from knnc import _compat
from knnc._pickling import MarkedStateMixin
from knnc._rollback import unchanged_after_error
from knnc.engine.encoding import Encoding, encode_rows
from knnc.engine.floats import as_float64
from knnc.engine.index import Index
from knnc.engine.system.threads import effective_n_threads
from knnc.neighbors import fallback
from knnc.neighbors.fitted_rows import LazyIndex, as_bytes, ready_to_scan
from knnc.neighbors.float_search import as_float_rows
from knnc.neighbors.metrics import ENGINE_METRICS, FLOAT_METRICS, EngineMetric, engine_metric

if TYPE_CHECKING:  # the class that stands after the mixin
    from sklearn.neighbors import NearestNeighbors as _ScikitLearn
else:
    _ScikitLearn = object

__all__ = ["IntegerFitMixin"]

# Elements of sparse queries made dense at a time.
_DENSE_CHUNK = 1 << 20
# Up to so many elements of queries, their validation takes longer than the search.
_FEW = 1 << 16

_ALGORITHMS = ("auto", "brute", "pruned")
# The values of engine_ with which an index of knnc searches.
_ENGINES = ("integer", "float")


class IntegerFitMixin(MarkedStateMixin, _ScikitLearn):
    """Fits for knnc's engine where it can, for scikit-learn's search elsewhere.

    Attributes
    ----------
    engine_ : {"integer", "float", "sklearn"}
        Which search this fit uses.

    Notes
    -----
    A fit keeps rows that are C-contiguous uint8, and in any layout uint8 and bool ones that are
    larger than `max_memory` (:func:`knnc.config_context`) unless algorithm="pruned", which takes
    C-contiguous ones. Of rows that no bytes stand for it keeps C-contiguous float32 and float64.
    All others are copied into memory, int8 of a memory map too.
    """

    engine_: str
    n_features_in_: int
    n_samples_fit_: int
    # With engine_ "integer" or "float": the training rows, uint8, float32 or float64.
    _rows: NDArray[Any]
    _lazy_index: LazyIndex
    # With engine_ "integer" only: what a byte stands for.
    _encoding: Encoding
    # With engine_ "sklearn" only: why no index of knnc searches, and `algorithm` at the fit.
    _engine_reason: str
    _fit_algorithm: str

    @property
    def _fit_X(self) -> Any:  # noqa: N802
        """The training rows as scikit-learn's attribute has them: numbers in the units of X.

        scikit-learn and converters read this attribute. Where knnc searches, the numbers are made
        from the rows when they are read, and not kept.
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
        return self._lazy_index.numbers(self.__dict__.get("_encoding"))

    # ---- fit

    def _fit(self, X: Any, y: Any = None) -> Any:
        """Fit; if that fails, with any error, the estimator is as it was before."""
        with unchanged_after_error(self):
            self._fit_somewhere(X, y)
        return self

    def _fit_somewhere(self, X: Any, y: Any) -> None:
        if isinstance(X, IntegerFitMixin) and vars(X).get("engine_") in _ENGINES:
            X = X._rows if X.engine_ == "float" else X._lazy_index.numbers(X._encoding)
        reason = self._why_not_by_index(X)
        names = None
        if reason is None:
            X, y = self._validated_fit(X, y)
            reason = self._fit_by_index(X, y)
            if reason is None:
                return
            names = self.__dict__.get("feature_names_in_")  # X has lost them
        if self.algorithm == "pruned":
            raise ValueError(f"algorithm='pruned' needs knnc's own search, and {reason}.")
        super()._fit(X, y)
        if names is not None:
            self.feature_names_in_ = names
        self._n_threads()  # which says what is no number of threads
        self.engine_ = "sklearn"
        self._engine_reason, self._fit_algorithm = reason, self.algorithm
        for name in ("_encoding", "_lazy_index"):
            self.__dict__.pop(name, None)

    def _why_not_by_index(self, X: Any) -> str | None:
        """Why the engine cannot serve these parameters and this kind of X, or None if it can."""
        if self.algorithm not in _ALGORITHMS:
            return f"algorithm={self.algorithm!r} is scikit-learn's own"
        metric = self._metric_of_parameters()
        if metric is None:
            return (
                f"knnc computes only {', '.join(FLOAT_METRICS)}, and minkowski with p=1, p=2 or "
                f"p=inf and without weights; not metric={self.metric!r} with p={self.p!r} and "
                f"metric_params={self.metric_params!r}"
            )
        if self.algorithm == "pruned" and not metric.can_be_pruned:
            raise ValueError(
                "algorithm='pruned' rules rows out by short codes, and there are none whose "
                f"distances bound metric={metric.name!r}; 'auto' and 'brute' search by it."
            )
        if issparse(X):
            return "X is sparse"
        if isinstance(X, _compat.PREBUILT):
            return f"X is a {type(X).__name__} that is already built"
        return None

    def _metric_of_parameters(self) -> EngineMetric | None:
        return engine_metric(self.metric, self.p, self.metric_params, FLOAT_METRICS)

    def _validated_fit(self, X: Any, y: Any) -> tuple[NDArray[Any], Any]:
        """X and y as scikit-learn's fit checks them, but X not yet copied into C order."""
        if get_tags(self).target_tags.required:
            X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True)
        else:
            X = validate_data(self, X, accept_sparse="csr")
        if X.dtype.hasobject:
            X = fallback.as_numbers(X)
            assert_all_finite(X, input_name="X")
        return X, y

    def _fit_by_index(self, X: Any, y: Any) -> str | None:
        """Fit to rows that are bytes or floats, or say why scikit-learn has to search X."""
        if issparse(X):  # as a frame of sparse columns has become
            return "X is sparse"
        metric = self._metric_of_parameters()
        assert metric is not None
        narrowed = None
        if metric.name in ENGINE_METRICS:
            narrowed = as_bytes(X, self.algorithm)
        if narrowed is not None:
            self._fit_rows("integer", *narrowed, y)
            return None
        if X.dtype.kind not in "biuf":
            return f"X is an array of {X.dtype}"
        self._fit_rows("float", as_float_rows(X), None, y)
        return None

    def _fit_rows(self, engine: str, rows: NDArray[Any], encoding: Encoding | None, y: Any) -> None:
        """Have knnc's engine search these rows."""
        # scikit-learn's fit does the rest: classes, the check of the metric, effective_metric_.
        super()._fit(_compat.fitted_rows(rows), y)
        self._rows = self.__dict__.pop("_fit_X")
        for name in ("_encoding", "_engine_reason", "_fit_algorithm"):
            self.__dict__.pop(name, None)
        if encoding is not None:
            self._encoding = encoding
        self.engine_ = engine
        self._attach_index()
        self._lazy_index.get(self._n_threads())

    def _attach_index(self, index: Index | None = None) -> None:
        """Say how the rows are searched; by an index that there is, or by one made when needed."""
        metric = FLOAT_METRICS[self.effective_metric_]
        algorithm = self.algorithm if self.algorithm in _ALGORITHMS else "auto"
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
        if self._encoding.is_plain and self._is_plain(X, np.uint8):
            return X, None
        X = self._validated_queries(X)
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
        return rows, (representable, as_float64(others))

    def _float_queries(self, X: Any) -> Any:
        """Queries of float rows, checked, of any dtype and layout or sparse."""
        # scikit-learn's functions for graphs ask for the rows themselves.
        if X is self._rows or self._lazy_index.holds(X):
            return self._rows
        return self._validated_queries(X)

    def _validated_queries(self, X: Any) -> Any:
        if self._is_plain(X, np.float32, np.float64) and X.size <= _FEW and np.isfinite(X).all():
            return X
        return fallback.validated_queries(self, X)

    def _is_plain(self, X: Any, *dtypes: type) -> bool:
        """Whether these are queries in which validate_data, 0.1 to 0.3 ms, finds nothing to change.

        It would look for NaN and infinity as well, which the caller has to do.
        """
        return (
            type(X) in (np.ndarray, np.memmap)
            and X.dtype in dtypes
            and X.ndim == 2
            and X.shape[1] == self.n_features_in_
            and X.flags.c_contiguous
            and len(X) > 0
            and "feature_names_in_" not in self.__dict__
        )

    def _to_float(self, keys: NDArray[np.int64]) -> NDArray[np.float64]:
        metric = FLOAT_METRICS[self.effective_metric_]
        if self.engine_ == "float":
            return metric.float_distances(keys, self.n_features_in_)
        return metric.byte_distances(keys, self._encoding.divisor, self.n_features_in_)

    def _largest_key_within(self, radius: float) -> int:
        metric = FLOAT_METRICS[self.effective_metric_]
        if self.engine_ == "float":
            return metric.largest_float_key_within(radius, self.n_features_in_)
        return metric.largest_key_within(radius, self._encoding.divisor, self.n_features_in_)

    # ---- pickle, joblib, copy: the rows once, nothing that is packed

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_lazy_index", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.__dict__.get("engine_") in _ENGINES:
            if "_fit_X" in self.__dict__:  # older versions had the bytes there
                self._rows = self.__dict__.pop("_fit_X")
            self._attach_index()
