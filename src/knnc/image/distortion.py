"""Nearest neighbours by distances of images, among candidates found by plain distance."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from knnc._pickling import MarkedStateMixin
from knnc._rollback import unchanged_after_error
from knnc.engine.encoding import Encoding
from knnc.engine.system.locks import ForkSafeLock
from knnc.engine.system.threads import effective_n_threads
from knnc.image import base
from knnc.image._distortion import MAX_WARP, TERMS
from knnc.image._reranking import Reranking
from knnc.image.base import Images, Shape
from knnc.neighbors.votes import Ballots, ballots_of

__all__ = ["DistortionKNeighborsClassifier"]

_MAX_SHIFT = 64

_building = ForkSafeLock()


class DistortionKNeighborsClassifier(MarkedStateMixin, ClassifierMixin, BaseEstimator):
    """k-nearest-neighbours classifier of images that may be bent, shifted or drawn differently.

    First, an exact search finds the `n_candidates` training images nearest to a query, by squared
    Euclidean distance of the pixels or of `features`. Of these candidates, the k that are nearest
    by `distance` vote.

    Parameters
    ----------
    n_neighbors : int, default=3
        Neighbours that vote.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        As for :class:`knnc.KNeighborsClassifier`. :class:`knnc.image.SoftWeights` is such a
        callable.
    n_candidates : int, default=300
        Training images that are compared by `distance`; all, if there are fewer.
    features : transformer or None, default=None
        A transformer or pipeline that returns uint8, for example :class:`knnc.image.HOG`.
        The search for candidates compares its result. None compares the pixels.
    distance : str or dict of str to float, default="idm"
        One term, or several with their positive weights:

        "idm"
            the image distortion model. Each pixel of the query is matched with a pixel of the
            training image at most `warp` away in both directions: the one whose gradients, in 3 x 3
            pixels, differ least. The squared differences are added up.
        "idm_back"
            the same, with the pixels of the training image matched with those of the query.
        "shift"
            squared Euclidean distance of the pixels, the least over all moves of the training image
            by up to `max_shift` pixels. Pixels outside of an image are 0.
        "tangent"
            tangent distance. Small shifts, turns, stretches and changes of thickness of the query
            form a plane; this is the squared Euclidean distance of the training image from that
            plane. "tangent_both" is the distance between the planes of both images.
        "features"
            squared Euclidean distance of `features`.
        "pixels", "manhattan"
            squared Euclidean and Manhattan distance of the pixels.
    warp : int, default=2
        From 0 to 8. A 28 x 28 image costs about (2 warp + 1)^2 x 0.04 microseconds.
    max_shift : int, default=1
        From 0 to 64.
    gradients : {"linear", "root"}, default="linear"
        What "idm" and "idm_back" compare. "root" takes the root of the gradients' length, so that
        faint edges, such as those within a picture of clothes, count more.
    mirrored : bool, default=False
        Whether to search mirrored training images too, with the same labels and indices. An index
        may then be among the neighbours twice. `features` is fitted to the images that are not
        mirrored.
    image_shape : (int, int) or None, default=None
        Height and width; None for a square.
    n_jobs : int or None, default=None
        Threads, as for :class:`knnc.KNeighborsClassifier`. They never change an answer.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    engine_ : {"integer"}
        The search that finds the candidates.
    features_ : transformer or None
        The fitted `features`.
    image_shape_ : (int, int)
        Height and width.
    n_features_in_ : int
        Pixels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has names that are all strings.
    n_samples_fit_ : int
        Training images.

    Notes
    -----
    The neighbours are the same for every number of threads, batch and instruction set. Terms are
    whole numbers, except tangent distances, which are floats, computed pair by pair in one order.
    Terms are added in a fixed order. Candidates at the same distance come in the order of the
    training rows. A computation stops early only if its distance is above the k-th.

    "idm" stores the gradients of the training images, about three bytes a pixel.

    References
    ----------
    P. Simard, Y. LeCun and J. Denker, "Efficient pattern recognition using a new transformation
    distance", NIPS 1993.

    D. Keysers, T. Deselaers, C. Gollan and H. Ney, "Deformation models for image recognition",
    IEEE Transactions on Pattern Analysis and Machine Intelligence 29 (8), 2007.

    Examples
    --------
    >>> from knnc import datasets
    >>> from knnc.image import HOG, DistortionKNeighborsClassifier
    >>> digits = datasets.load_digits()
    >>> X, y = digits.data * 15, digits.target  # their pixels are 0..16
    >>> clf = DistortionKNeighborsClassifier(features=HOG(cell_sizes=(2, 4)), warp=1)
    >>> clf.fit(X[:1200], y[:1200]).predict(X[1200:1205])
    array([7, 7, 3, 5, 1])
    """

    classes_: NDArray[Any]
    engine_: str
    features_: Any
    image_shape_: Shape
    n_features_in_: int
    n_samples_fit_: int
    _encoding: Encoding
    _rows: Images
    _codes: NDArray[np.intp]
    _terms: dict[str, float]
    _mirrored: bool
    _moves: tuple[int, int, bool]
    _lazy_searcher: Reranking | None

    def __init__(
        self,
        n_neighbors: int = 3,
        *,
        weights: Any = "uniform",
        n_candidates: int = 300,
        features: Any = None,
        distance: Any = "idm",
        warp: int = 2,
        max_shift: int = 1,
        gradients: str = "linear",
        mirrored: bool = False,
        image_shape: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.n_candidates = n_candidates
        self.features = features
        self.distance = distance
        self.warp = warp
        self.max_shift = max_shift
        self.gradients = gradients
        self.mirrored = mirrored
        self.image_shape = image_shape
        self.n_jobs = n_jobs

    # ---- fit

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the classifier to training images and their labels.

        Parameters
        ----------
        X : array-like of shape (n_images, height * width)
            Images as rows: whole numbers from 0 to 255 of any dtype, or pixels divided by 255. A
            C-contiguous uint8 array is not copied.
        y : array-like of shape (n_images,)
            Their labels, numbers or strings.

        Returns
        -------
        self : DistortionKNeighborsClassifier
            The classifier. If fit raises, it is unchanged.

        Raises
        ------
        ValueError
            If the rows are not images of that shape, `features` does not return bytes, or a
            parameter is wrong.
        TypeError
            If a parameter that must be an integer is not one.
        """
        with unchanged_after_error(self):
            self._fit(X, y)
        return self

    def _fit(self, X: Any, y: Any) -> None:
        X, y = validate_data(self, X, y, dtype="numeric")
        check_classification_targets(y)
        terms = self._checked_parameters()
        rows, encoding = base.bytes_of_fit(X)
        self.image_shape_ = base.shape_of(self.image_shape, rows.shape[1])
        self.classes_, self._codes = np.unique(y, return_inverse=True)
        self._rows, self._encoding, self._terms = rows, encoding, terms
        self._mirrored = bool(self.mirrored)
        # The parameters of the fit: the images may be prepared again after the parameters were
        # changed.
        self._moves = int(self.warp), int(self.max_shift), self.gradients == "root"
        self.n_samples_fit_ = len(rows)
        self.features_ = None
        if self.features is not None:
            self.features_ = clone(self.features).fit(rows, y)
        self.engine_ = "integer"
        self._lazy_searcher = None
        self._searcher()

    def _checked_parameters(self) -> dict[str, float]:
        """The weights of the terms; an error if a parameter is wrong."""
        for name, low, high in (
            ("n_neighbors", 1, None),
            ("n_candidates", 1, None),
            ("warp", 0, MAX_WARP),
            ("max_shift", 0, _MAX_SHIFT),
        ):
            _check_integer(name, getattr(self, name), low, high)
        if not (self.weights in ("uniform", "distance", None) or callable(self.weights)):
            raise ValueError(
                f"weights must be 'uniform', 'distance', a callable or None, got {self.weights!r}."
            )
        if self.gradients not in ("linear", "root"):
            raise ValueError(f"gradients must be 'linear' or 'root', got {self.gradients!r}.")
        if self.n_candidates < self.n_neighbors:
            raise ValueError(
                f"n_candidates={self.n_candidates} are fewer than n_neighbors={self.n_neighbors}."
            )
        given = {self.distance: 1.0} if isinstance(self.distance, str) else self.distance
        if not isinstance(given, Mapping) or not given:
            raise ValueError(f"distance must be a term or a dict of terms, got {self.distance!r}.")
        for name, weight in given.items():
            if name not in TERMS:
                raise ValueError(
                    f"distance has the unknown term {name!r}; there are {', '.join(TERMS)}."
                )
            if not isinstance(weight, Real) or not 0 < float(weight) < np.inf:
                raise ValueError(f"the weight of {name!r} must be positive, got {weight!r}.")
        return {name: float(weight) for name, weight in given.items()}

    def _searcher(self) -> Reranking:
        """Build it at fit, and again when it is first used after unpickling."""
        if self._lazy_searcher is None:
            with _building.held():
                if self._lazy_searcher is None:
                    self._lazy_searcher = Reranking(
                        self._rows,
                        self.image_shape_,
                        self.features_,
                        self._terms,
                        self._moves,
                        self._mirrored,
                        effective_n_threads(self.n_jobs),
                    )
        return self._lazy_searcher

    # ---- queries

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Find the k nearest training images of each query, by `distance`.

        Parameters
        ----------
        X : array-like of shape (n_queries, height * width) or None, default=None
            The queries. None is leave-one-out: each training image is a query and is left out of
            its own candidates.
        n_neighbors : int or None, default=None
            Neighbours of each query; None for the estimator's own `n_neighbors`.
        return_distance : bool, default=True
            Whether to return the distances too.

        Returns
        -------
        neigh_dist : ndarray of shape (n_queries, n_neighbors), float64
            Sums of the terms, ascending; only if `return_distance`.
        neigh_ind : ndarray of shape (n_queries, n_neighbors), intp
            Indices of the training images; at the same distance the smaller index comes first.

        Raises
        ------
        ValueError
            If X is not of the shape and encoding that were fitted, or if `n_neighbors` is less than
            1 or more than the candidates.
        TypeError
            If `n_neighbors` is not an integer.
        """
        check_is_fitted(self)
        k: int = self.n_neighbors if n_neighbors is None else n_neighbors
        _check_integer("n_neighbors", k, 1, None)
        n_others = (1 + self._mirrored) * (self.n_samples_fit_ - (X is None))
        n_candidates = min(self.n_candidates, n_others)
        if k > n_candidates:
            raise ValueError(
                f"Expected n_neighbors <= the number of candidates, but n_neighbors = {k}, "
                f"n_candidates = {self.n_candidates}, n_samples_fit = {self.n_samples_fit_}"
                f"{', and each is left out of its own' if X is None else ''}."
            )
        if X is None:
            queries = self._rows
        else:
            X = validate_data(self, X, dtype="numeric", reset=False)
            queries = base.bytes_of_queries(X, self._encoding)
        n_threads = effective_n_threads(self.n_jobs)
        dist, ind = self._searcher().search(
            queries, int(k), n_candidates, n_threads, leave_out=X is None
        )
        return (dist, ind) if return_distance else ind

    # ---- votes

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the label of each query.

        Parameters
        ----------
        X : array-like of shape (n_queries, height * width) or None
            The queries; None predicts each training image from the others.

        Returns
        -------
        y : ndarray of shape (n_queries,)
            The class with the most votes; of several, the smallest label.

        Raises
        ------
        ValueError
            As `kneighbors` does, or if all weights of some query's neighbours are zero.
        """
        return self._ballots(X).labels()

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Estimate the probability of each class for each query: its share of the votes.

        Parameters
        ----------
        X : array-like of shape (n_queries, height * width) or None
            The queries; None predicts each training image from the others.

        Returns
        -------
        p : ndarray of shape (n_queries, n_classes)
            Columns in the order of `classes_`.

        Raises
        ------
        ValueError
            As `kneighbors` does, or if all weights of some query's neighbours are zero.
        """
        shares: NDArray[np.float64] = self._ballots(X).shares()
        return shares

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy of `predict(X)`: the share of queries with the right label.

        Parameters
        ----------
        X : array-like of shape (n_queries, height * width) or None
            The queries; None scores each training image's prediction from the others, which is
            leave-one-out cross-validation.
        y : array-like of shape (n_queries,)
            The right labels.
        sample_weight : array-like of shape (n_queries,) or None, default=None
            Weights of the queries.

        Returns
        -------
        score : float
            Between 0 and 1.
        """
        return float(super().score(X, y, sample_weight))

    def _ballots(self, X: Any) -> Ballots:
        """The votes of the neighbours of each query."""
        dist, ind = self.kneighbors(X)
        return ballots_of(self._codes[ind], dist, self.weights, self.classes_, several=False)

    # ---- pickle, joblib, copy: the rows once, nothing that can be built from them

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "_lazy_searcher" in state:
            state["_lazy_searcher"] = None
        return state


def _check_integer(name: str, value: Any, low: int, high: int | None) -> None:
    if not isinstance(value, Integral) or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, got {value!r}.")
    if int(value) < low or (high is not None and int(value) > high):
        wanted = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {wanted}, got {value!r}.")
