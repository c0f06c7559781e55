"""What a browser tab taught, as a layer of rows over a fitted estimator that all tabs share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator

from knnc.image import DistortionKNeighborsClassifier
from knnc.neighbors import NearestNeighbors
from knnc.neighbors.votes import ballots_of
from knnc.ocr._confidence import Reference, reference_of

__all__ = ["Found", "Layer"]

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Found:
    """What a reader says of some rows.

    Attributes
    ----------
    shares : ndarray of shape (n_queries, n_classes), float64
    distances, neighbors : ndarray of shape (n_queries, k)
        Of the first search, nearest first. An index from the number of training rows on is that of
        a row that was taught.
    """

    shares: NDArray[np.float64]
    distances: NDArray[np.float64]
    neighbors: NDArray[np.intp]


class _Leaf:
    """One search of a reader, over the training rows and those that were taught.

    :func:`knnc.ocr.read_page` asks it as it would ask the estimator alone.
    """

    def __init__(self, estimator: Any) -> None:
        steps = getattr(estimator, "steps", None)
        self.last = steps[-1][1] if steps else estimator
        self._first = estimator[:-1] if steps and len(steps) > 1 else None
        self._estimator = estimator
        self.n_base = int(self.last.n_samples_fit_)
        self.n_neighbors = int(self.last.n_neighbors)
        self.metric = getattr(self.last, "metric", None)
        self._taught: Any = None
        self._n_taught = 0

    def called(self, codes: NDArray[np.intp], places: NDArray[np.intp], n_classes: int) -> None:
        """Take the class of each row, and where among the classes those of the fit are."""
        self._y, self._places, self._n_classes = codes, places, n_classes

    def mapped(self, rows: Bytes) -> Any:
        return rows if self._first is None else self._first.transform(rows)

    def teach(self, rows: Bytes) -> None:
        """Search these rows too. Distances to them are those that a fit on all would give."""
        X = self.mapped(rows)
        if isinstance(self.last, DistortionKNeighborsClassifier):
            options = self.last.get_params(deep=False)
            if self.last.features_ is not None:
                options["features"] = FrozenEstimator(self.last.features_)
            self._taught = DistortionKNeighborsClassifier(**options).fit(X, np.zeros(len(X)))
        else:
            self._taught = NearestNeighbors(metric=self.last.metric, n_jobs=1).fit(X)
        self._rows, self._n_taught = rows, len(rows)

    def reference(self) -> Reference | None:
        """What is usual among the training rows; of a class that was taught, that of the others."""
        usual = reference_of(self._estimator)
        if usual is None or not self._n_taught:
            return usual
        middle = np.full(self._n_classes, np.median(usual.middle))
        spread = np.full(self._n_classes, np.median(usual.spread))
        middle[self._places], spread[self._places] = usual.middle, usual.spread
        seen = usual.seen
        if usual.look is not None:
            seen = np.concatenate([seen, usual.look(self._rows)])
        return replace(usual, middle=middle, spread=spread, labels=self._y, seen=seen)

    def kneighbors(
        self, rows: Bytes, n_neighbors: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Distances and numbers of the nearest; taught rows are counted after the others."""
        X, k = self.mapped(rows), n_neighbors or self.n_neighbors
        dist, ind = self.last.kneighbors(X, min(k, self.n_base))
        if self._n_taught:
            more, where = self._taught.kneighbors(X, min(k, self._n_taught))
            dist = np.hstack([dist, more])
            ind = np.hstack([ind, where + self.n_base])
            # Stable, and rows that were taught come after those of the fit: ties go by index.
            order = np.argsort(dist, axis=1, kind="stable")[:, :k]
            dist = np.take_along_axis(dist, order, axis=1)
            ind = np.take_along_axis(ind, order, axis=1)
        return dist, ind


class Layer(ClassifierMixin, BaseEstimator):
    """A fitted reader, and rows that were taught after its fit.

    Parameters
    ----------
    base : fitted KNeighborsClassifier, Pipeline that ends in one, or VotingClassifier of these
        Never changed. A ``DistortionKNeighborsClassifier`` may stand for the former.
    labels : ndarray of shape (n_samples_fit,)
        What its training rows are called.
    n_neighbors : int, default=None
        How many vote; None for as many as in `base`.
    weights : {"uniform", "distance"}, default=None
        None for those of `base`.
    """

    def __init__(
        self,
        base: Any,
        labels: NDArray[Any],
        n_neighbors: int | None = None,
        weights: str | None = None,
    ) -> None:
        self.base = base
        self.labels = labels
        self.n_neighbors = n_neighbors
        self.weights = weights

    def fit(self, X: Bytes, y: Any) -> Self:
        """Take the rows to teach, of which there may be none, and their labels."""
        self.taught_rows, self.taught_labels = X, y
        known: NDArray[Any] = self.base.classes_
        self.classes_ = np.union1d(known, y) if len(X) else known
        self._codes = np.searchsorted(self.classes_, self.labels)
        if len(X):
            self._codes = np.concatenate([self._codes, np.searchsorted(self.classes_, y)])
        several = isinstance(self.base, VotingClassifier)
        self.estimators_ = [
            _Leaf(each) for each in (self.base.estimators_ if several else [self.base])
        ]
        places = np.searchsorted(self.classes_, known)
        for leaf in self.estimators_:
            leaf.called(self._codes, places, len(self.classes_))
            leaf.n_neighbors = self.n_neighbors or leaf.n_neighbors
            if len(X):
                leaf.teach(X)
        self.n_features_in_ = 784
        return self

    def find(self, X: Bytes) -> Found:
        """The nearest rows of each query, and each class's share of the votes."""
        shares, first = [], None
        for leaf in self.estimators_:
            dist, ind = leaf.kneighbors(X)
            first = first or (dist, ind)
            weights = self.weights or leaf.last.weights
            ballots = ballots_of(self._codes[ind], dist, weights, self.classes_, several=False)
            shares.append(ballots.shares())
        assert first is not None
        return Found(np.mean(shares, axis=0), *first)

    def predict_proba(self, X: Bytes) -> NDArray[np.float64]:
        """Each class's share of the votes."""
        return self.find(X).shares
