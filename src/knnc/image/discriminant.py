"""A linear map, learnt from labels, that brings rows of one class together; rounded to bytes."""

from __future__ import annotations

from math import floor, log2
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from knnc._pickling import MarkedStateMixin
from knnc._rollback import unchanged_after_error
from knnc.engine.encoding import Encoding
from knnc.engine.index import Index
from knnc.engine.system.blas import one_blas_thread
from knnc.engine.system.progress import progress
from knnc.engine.system.threads import effective_n_threads
from knnc.image import base
from knnc.image.base import Images

__all__ = ["LocalDiscriminant"]

Floats = NDArray[np.float64]
# Components, offset, and the unit of both.
Map = tuple[Floats, Floats, float]

# A byte covers so many standard deviations of the widest component to either side.
_SPREAD = 6.0
# Bytes of each row in the second map.
_LOOK = 64
# Sums of products of bytes and whole numbers are exact below 2^53, in any order.
_EXACT_BITS = 52
_CHUNK = 1 << 21


class LocalDiscriminant(
    MarkedStateMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Learn a linear map that shrinks differences within classes and keeps those between classes.

    This is nonparametric discriminant analysis. It whitens the differences between rows and their
    nearest neighbours of the same class. It then keeps the directions in which the nearest
    neighbours of other classes differ most. The components are rounded to bytes with one common
    step, so that Euclidean distances keep their meaning. The integer engine searches the result.

    Parameters
    ----------
    n_components : int, default=100
        Columns of the result; no more than there are features.
    shrinkage : float, default=0.3
        Added to the variance within classes, as a share of its mean. A larger value whitens less.
    n_local : int, default=4
        Nearest neighbours used for each row: this many of its own class, and this many of other
        classes.
    n_searched : int, default=60
        Neighbours of each row that are searched, to find `n_local` of both kinds among them.
    max_samples : int, default=20000
        Rows whose neighbours are searched, evenly spaced. The neighbours may be any rows.
    n_jobs : int or None, default=None
        Threads, as :class:`knnc.KNeighborsClassifier` takes them.

    Attributes
    ----------
    components_ : ndarray of shape (n_features, n_components), float64
        The map. Its values are multiples of a power of two.
    offset_ : ndarray of shape (n_components,), float64
        Added before rounding.
    n_features_in_ : int
        Features seen by fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if X has names that are all strings.

    Notes
    -----
    The map is applied in whole numbers. The result does not depend on the batch or the number of
    threads.

    For :func:`knnc.ocr.read_page`, fit also keeps 64 bytes of each row: its components in the
    directions in which rows of one class differ most.

    References
    ----------
    K. Fukunaga and J. M. Mantock, "Nonparametric discriminant analysis", IEEE Transactions on
    Pattern Analysis and Machine Intelligence 5 (6), 1983.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from knnc import KNeighborsClassifier, datasets
    >>> from knnc.image import HOG, LocalDiscriminant
    >>> X, y = datasets.load_digits(return_X_y=True)
    >>> reader = make_pipeline(HOG((2, 4)), LocalDiscriminant(20), KNeighborsClassifier(3))
    >>> reader.fit(X[:1200], y[:1200]).predict(X[1200:1205])
    array([7, 7, 3, 5, 1])
    """

    n_features_in_: int
    components_: Floats
    offset_: Floats
    _unit: float
    _encoding: Encoding
    # The second map, and the training rows in it; older files have none.
    _look: Map | None = None
    _seen: Images | None = None

    def __init__(
        self,
        n_components: int = 100,
        *,
        shrinkage: float = 0.3,
        n_local: int = 4,
        n_searched: int = 60,
        max_samples: int = 20_000,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.n_local = n_local
        self.n_searched = n_searched
        self.max_samples = max_samples
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the map.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Whole numbers from 0 to 255 of any dtype, or such divided by 255.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : LocalDiscriminant
            The transformer. If fit raises, it is unchanged.

        Raises
        ------
        ValueError
            If X holds other numbers, or a parameter is wrong.
        """
        with unchanged_after_error(self):
            self._fit(X, y)
        return self

    def _fit(self, X: Any, y: Any) -> None:
        X, y = validate_data(self, X, y, dtype="numeric")
        check_classification_targets(y)
        for name in ("n_components", "n_local", "n_searched", "max_samples"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or int(value) < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}.")
        if not isinstance(self.shrinkage, Real) or not 0 < float(self.shrinkage) < np.inf:
            raise ValueError(f"shrinkage must be a positive number, got {self.shrinkage!r}.")
        rows, self._encoding = base.bytes_of_fit(X)
        within, between = self._scatters(rows, np.unique(y, return_inverse=True)[1])
        with one_blas_thread():  # the map does not depend on the number of threads
            directions, look = _directions(within, between, float(self.shrinkage))
            directions = directions[:, : self.n_components]
            self.components_, self.offset_, self._unit = _rounded(directions, rows)
            self._look = _rounded(look[:, :_LOOK], rows)
        self._seen = _mapped(rows, self._look)

    def _scatters(self, rows: Images, codes: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Sums of squares and products of differences, within classes and between them.

        All are whole numbers below 2^53 (255^2 a pair), so the order of addition does not matter.
        """
        n, width = rows.shape
        n_rows = min(n, self.max_samples)
        chosen = np.arange(n_rows) * n // n_rows
        k = min(n, self.n_searched + 1)
        n_threads = effective_n_threads(self.n_jobs)
        index = Index(rows, "sqeuclidean", n_threads=n_threads)
        within, between = np.zeros((width, width)), np.zeros((width, width))
        step = max(1, _CHUNK // (self.n_local * width))
        for start in range(0, n_rows, step):
            some = chosen[start : start + step]
            with progress(None):
                near = index.search(np.ascontiguousarray(rows[some]), k, n_threads=n_threads)[1]
            same = codes[near] == codes[some][:, np.newaxis]
            other = ~same
            same &= near != some[:, np.newaxis]
            for scatter, wanted in ((within, same), (between, other)):
                wanted &= np.cumsum(wanted, axis=1) <= self.n_local
                row, place = np.nonzero(wanted)
                apart = rows[some[row]].astype(np.float64) - rows[near[row, place]]
                scatter += apart.T @ apart
        return within, between

    def transform(self, X: Any) -> Images:
        """Apply the map.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the encoding that was fitted.

        Returns
        -------
        T : ndarray of shape (n_samples, n_components), uint8

        Raises
        ------
        ValueError
            If X is of another width or holds other numbers.
        """
        return self._by(X, (self.components_, self.offset_, self._unit))

    def _by(self, X: Any, learnt: Map) -> Images:
        """Rows by one of the two maps."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        return _mapped(base.bytes_of_queries(X, self._encoding), learnt)

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = []  # bytes come out, whatever goes in
        return tags


def _rounded(directions: Floats, rows: Images) -> Map:
    """Scale the directions to bytes, and both them and the offset to whole numbers."""
    mean = rows.mean(axis=0)
    some = rows[np.arange(min(len(rows), 10_000)) * len(rows) // min(len(rows), 10_000)]
    spread = ((some - mean) @ directions).std(axis=0).max()
    directions = directions * (127 / (_SPREAD * spread) if spread > 0 else 0.0)
    reach = 255 * (np.abs(directions).sum(axis=0).max() + 1)
    unit = 2.0 ** min(30, _EXACT_BITS - 2 - floor(log2(reach)))
    components = np.rint(directions * unit) / unit
    # Not by BLAS, which can read past a vector: see engine/clusters._chain.
    centre = np.einsum("i,ij->j", mean, components)
    return components, np.rint((128 - centre) * unit) / unit, unit


def _mapped(rows: Images, learnt: Map) -> Images:
    """Bytes of the rows by a map."""
    components, offset, unit = learnt
    out = np.empty((len(rows), len(offset)), dtype=np.uint8)
    whole, offset = components * unit, offset * unit
    for part in base.chunks(len(rows), rows.shape[1]):
        sums = rows[part].astype(np.float64) @ whole  # exact
        sums += offset
        sums /= unit
        out[part] = np.clip(np.rint(sums, out=sums), 0, 255)
    return out


def _directions(within: Floats, between: Floats, shrinkage: float) -> tuple[Floats, Floats]:
    """Columns that whiten `within`, in descending order of `between` after that.

    And the principal directions of `within`, in descending order.
    """
    n = len(within)
    within, between = (
        scatter * (n / trace) if (trace := np.trace(scatter)) > 0 else np.eye(n)
        for scatter in (within, between)
    )
    values, vectors = scipy.linalg.eigh(within + shrinkage * np.eye(n))
    whitening = (vectors / np.sqrt(values)) @ vectors.T
    _, kept = scipy.linalg.eigh(whitening @ between @ whitening)
    return whitening @ kept[:, ::-1], vectors[:, ::-1]
