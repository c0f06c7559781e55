"""Scores of many candidates from one search a metric and fold: the base of the CV estimators.

`GridSearchCV` fits and searches anew for every candidate. The neighbours of a query at the largest
k hold those at every smaller one, and weights only count them otherwise, so one search tells all:
over the folds of a splitter, or, for leave-one-out, of the training rows among themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from math import isqrt
from time import perf_counter
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from knnc import _compat
from knnc._pickling import MarkedStateMixin
from knnc.engine.system.progress import current, progress

__all__ = ["NeighborsCV", "only_if_refitted"]

# With n_neighbors=None: no k beyond, and about so many of them.
_LARGEST_K = 100
_N_CANDIDATES = 25

Split = tuple[Any, Any]
Method = TypeVar("Method", bound=Callable[..., Any])


def _refitted(estimator: NeighborsCV) -> bool:
    if not estimator.refit:
        raise AttributeError(
            f"This {type(estimator).__name__} was made with refit=False: there are only "
            "best_params_, with which to make and fit an estimator."
        )
    return True


def only_if_refitted(method: Method) -> Method:
    """Make a method one that there is only with `refit`."""
    return cast(Method, available_if(_refitted)(method))


class NeighborsCV(MarkedStateMixin, BaseEstimator):
    """Base class of the estimators that choose n_neighbors, weights and metric."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = _compat.tuning_constraints()
    # What is chosen, and the same with a cache of neighbours.
    _estimator_class: ClassVar[type]
    _cached_class: ClassVar[type]

    def __init__(
        self,
        n_neighbors: Sequence[int] | None = None,
        *,
        weights: Sequence[Any] = ("uniform", "distance"),
        metric: Sequence[Any] = ("euclidean",),
        cv: Any = None,
        scoring: str | Callable[..., float] | None = None,
        refit: bool | Callable[..., int] = True,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.metric = metric
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.n_jobs = n_jobs

    # ---- fit

    def fit(self, X: Any, y: Any, **params: Any) -> Self:
        """Score every candidate, and refit the best on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        **params : dict of str -> object
            `groups` for the splitter; with metadata routing enabled whatever splitter and scorer
            ask for.

        Returns
        -------
        self : object
            The fitted estimator. If fit raises an error, the estimator is unchanged.

        Raises
        ------
        ValueError
            If X, y or a parameter is not as stated.

        Warns
        -----
        UserWarning
            If a candidate could not be scored, as for a k larger than a fold: its score is nan.
        """
        self._validate_params()
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        X, y = indexable(X, y)
        split_params, score_params = self._routed(params)
        splits = self._splits(X, y, split_params)
        grid = self._grid(X, splits)
        scorer = self._scorer()
        scores = self._scores(X, y, splits, grid, scorer, score_params)
        results = _compat.format_results(self._estimator_class(), grid, len(splits), scores)
        if self.cv is None:
            del results["split0_test_score"]
        best = _compat.select_best_index(self.refit, results)
        fitted = self._refit(grid[best], X, y) if self.refit else {}
        for name in ("best_estimator_", "refit_time_", "feature_names_in_", "best_score_"):
            self.__dict__.pop(name, None)
        self.best_index_ = best
        self.best_params_ = grid[best]
        if not callable(self.refit):
            self.best_score_ = float(results["mean_test_score"][best])
        self.cv_results_ = results
        self.scorer_ = scorer
        self.n_splits_ = len(splits)
        self.__dict__.update(fitted)
        return self

    def _routed(self, params: dict[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """What of the metadata goes to the splitter, and what to the scorer."""
        if not sklearn.get_config()["enable_metadata_routing"]:
            others = {name: value for name, value in params.items() if name != "groups"}
            _compat.raise_for_params(others, self, "fit")
            return {"groups": params.get("groups")}, {}
        routed = process_routing(self, "fit", **params)
        return routed["splitter"]["split"], routed["scorer"]["score"]

    def _splits(self, X: Any, y: Any, split_params: Mapping[str, Any]) -> list[Split]:
        """Indices of the training and the test rows of each fold; None is all, left out singly."""
        if self.cv is None:
            if _compat.num_samples(X) == 1:
                raise ValueError("Leave-one-out needs two rows at least, got n_samples = 1.")
            return [(None, None)]
        cv = check_cv(self.cv, y, classifier=is_classifier(self))
        splits = list(cv.split(X, y, **split_params))
        if not splits:
            raise ValueError("No fits were performed. Was the CV iterator empty?")
        return splits

    def _grid(self, X: Any, splits: list[Split]) -> list[dict[str, Any]]:
        """The candidates, in GridSearchCV's order."""
        ks = self.n_neighbors
        if ks is None:
            n_samples = _compat.num_samples(X)
            fewest = min(
                n_samples - 1 if train is None else _n_rows(n_samples, train) for train, _ in splits
            )
            ks = _sensible_range(fewest)
        grid = list(
            ParameterGrid({"n_neighbors": ks, "weights": self.weights, "metric": self.metric})
        )
        for params in grid:
            self._estimator_class(**params, n_jobs=self.n_jobs)._validate_params()
            if params["metric"] == "precomputed":
                raise ValueError(
                    "metric='precomputed' leaves nothing to search; use GridSearchCV for it."
                )
        return grid

    def _scorer(self) -> Callable[..., float]:
        scorer: Callable[..., float] = check_scoring(self._estimator_class(), self.scoring)
        return scorer

    def _scores(
        self,
        X: Any,
        y: Any,
        splits: list[Split],
        grid: list[dict[str, Any]],
        scorer: Callable[..., float],
        score_params: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Score and seconds of each candidate (slow index) in each fold (fast index)."""
        metrics = _unique(params["metric"] for params in grid)
        ks = [params["n_neighbors"] for params in grid]
        n_samples = _compat.num_samples(X)
        n_tests = [_n_rows(n_samples, test) for _, test in splits]
        done, total = 0, len(metrics) * sum(n_tests)
        scores: list[dict[str, Any]] = [{}] * (len(grid) * len(splits))
        for fold, (train, test) in enumerate(splits):
            X_train, y_train = _rows(X, train), _rows(y, train)
            X_test, y_test = _rows(X, test), _rows(y, test)
            score_params_test = _compat.check_method_params(X, score_params, test)
            for metric in metrics:
                places = [i for i, params in enumerate(grid) if params["metric"] is metric]
                began = perf_counter()
                estimator = self._cached_class(metric=metric, n_jobs=self.n_jobs)
                with _share_of_progress(done, total):
                    estimator.fit(X_train, y_train).cache_neighbors(
                        X_test, ks, leave_one_out=train is None
                    )
                done += n_tests[fold]
                fit_time = (perf_counter() - began) / len(places)
                for place in places:
                    began = perf_counter()
                    score = _compat.score(
                        estimator.with_params(**grid[place]),
                        X_test,
                        y_test,
                        scorer,
                        score_params_test,
                    )
                    if isinstance(score, dict):
                        raise ValueError("scoring must return one number, got a dict.")
                    scores[place * len(splits) + fold] = {
                        "test_scores": score,
                        "fit_time": fit_time,
                        "score_time": perf_counter() - began,
                    }
        return scores

    def _refit(self, params: dict[str, Any], X: Any, y: Any) -> dict[str, Any]:
        """The attributes that there are after a refit."""
        began = perf_counter()
        estimator = self._estimator_class(**params, n_jobs=self.n_jobs).fit(X, y)
        fitted = {"best_estimator_": estimator, "refit_time_": perf_counter() - began}
        if "feature_names_in_" in vars(estimator):
            fitted["feature_names_in_"] = estimator.feature_names_in_
        return fitted

    # ---- the best estimator's

    @property
    def n_features_in_(self) -> int:
        """Features seen by fit; only with `refit`."""
        if "best_estimator_" not in vars(self):
            raise AttributeError(f"This {type(self).__name__} has no refitted estimator.")
        return int(self.best_estimator_.n_features_in_)

    @only_if_refitted
    def predict(self, X: Any) -> NDArray[Any]:
        """Predict with the best candidate, refitted on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            The queries.

        Returns
        -------
        y : ndarray of shape (n_queries,) or (n_queries, n_outputs)
            What `best_estimator_` predicts.
        """
        check_is_fitted(self)
        y: NDArray[Any] = self.best_estimator_.predict(X)
        return y

    @only_if_refitted
    def score(self, X: Any, y: Any, **params: Any) -> float:
        """Score the best candidate, refitted on all rows, by `scoring`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            The queries.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
            Their right targets.
        **params : dict of str -> object
            For the scorer, with metadata routing enabled.

        Returns
        -------
        score : float
            What the scorer makes of `best_estimator_`; without `scoring`, what its own `score`
            does.
        """
        check_is_fitted(self)
        _compat.raise_for_params(params, self, "score")
        if sklearn.get_config()["enable_metadata_routing"]:
            params = process_routing(self, "score", **params)["scorer"]["score"]
        return float(self.scorer_(self.best_estimator_, X, y, **params))

    # ---- what scikit-learn asks about the estimator

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which metadata splitter and scorer ask for.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        to_scorer = MethodMapping().add(caller="fit", callee="score")
        return (
            MetadataRouter(owner=self)
            .add(
                scorer=self._scorer(),
                method_mapping=to_scorer.add(caller="score", callee="score"),
            )
            .add(
                splitter=self.cv,
                method_mapping=MethodMapping().add(caller="fit", callee="split"),
            )
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        chosen = get_tags(self._estimator_class())
        tags.estimator_type = chosen.estimator_type
        tags.classifier_tags = chosen.classifier_tags
        tags.regressor_tags = chosen.regressor_tags
        tags.target_tags = chosen.target_tags
        tags.input_tags.sparse = chosen.input_tags.sparse
        tags.input_tags.allow_nan = all(metric == "nan_euclidean" for metric in self.metric)
        return tags


def _sensible_range(n_samples_fit: int) -> list[int]:
    """Each small k, then ever fewer, up to the root of the number of rows."""
    largest = min(n_samples_fit, max(isqrt(n_samples_fit), 10), _LARGEST_K)
    return [int(k) for k in np.unique(np.rint(np.geomspace(1, largest, _N_CANDIDATES)))]


def _unique(items: Iterable[Any]) -> list[Any]:
    """In the order they came in; candidates may be of any kind, unhashable ones included."""
    kept: list[Any] = []
    for item in items:
        if not any(item is other for other in kept):
            kept.append(item)
    return kept


def _n_rows(n_samples: int, indices: Any) -> int:
    """How many of so many rows these are; None is all, a mask those where it is true."""
    return n_samples if indices is None else len(np.arange(n_samples)[indices])


def _rows(X: Any, indices: Any) -> Any:
    return X if indices is None else _compat.safe_indexing(X, indices)


def _share_of_progress(done: int, total: int) -> AbstractContextManager[None]:
    report = current()
    return progress(report and (lambda found, _: report(done + found, total)))
