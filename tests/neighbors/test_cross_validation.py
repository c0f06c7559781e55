"""Choosing from one search a metric and fold, beside GridSearchCV, which searches for each."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas
import pytest
import sklearn.neighbors
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score, make_scorer, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneOut,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
)

import knnc
from tests.neighbors.support import any_bytes, assert_same_error, few_values

GRID: dict[str, Any] = {
    "n_neighbors": [1, 2, 5, 12],
    "weights": ["uniform", "distance"],
    "metric": ["euclidean", "manhattan"],
}


def labelled(n: int = 90, top: int = 4) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Rows full of ties, or with a large `top` free of them, in three classes that overlap."""
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, n)
    X = few_values(7, n, 6, top) if top < 256 else any_bytes(7, n, 40)
    X[:, 0] = np.minimum(X[:, 0] // 2 + y * (top // 8 or 1), 255)
    return X, y


def assert_same_results(tuned: Any, searched: Any) -> None:
    """All but the times, and the very keys."""
    assert list(tuned.cv_results_) == list(searched.cv_results_)
    for name, expected in searched.cv_results_.items():
        if name == "params":
            assert tuned.cv_results_[name] == expected
        elif not name.endswith("_time"):
            np.testing.assert_array_equal(tuned.cv_results_[name], expected, strict=True)
            assert type(tuned.cv_results_[name]) is type(expected)
    assert tuned.best_index_ == searched.best_index_
    assert tuned.best_params_ == searched.best_params_
    assert tuned.n_splits_ == searched.n_splits_


def both(X: Any, y: Any, grid: dict[str, Any] = GRID, groups: Any = None, **options: Any) -> Any:
    """Ours, and GridSearchCV over our classifier."""
    tuned = knnc.KNeighborsClassifierCV(**grid, **options).fit(X, y, groups=groups)
    searched = GridSearchCV(knnc.KNeighborsClassifier(), grid, **options)
    return tuned, searched.fit(X, y, groups=groups)


@pytest.mark.parametrize("top", [2, 4, 256])
@pytest.mark.parametrize(
    "cv",
    [3, StratifiedKFold(4, shuffle=True, random_state=0), ShuffleSplit(3, random_state=1)],
    ids=["3", "stratified", "shuffle"],
)
def test_scores_are_those_of_grid_search(top: int, cv: Any) -> None:
    X, y = labelled(top=top)
    tuned, searched = both(X, y, cv=cv)
    assert tuned.best_estimator_.engine_ == "integer"
    assert_same_results(tuned, searched)
    assert tuned.best_score_ == searched.best_score_
    queries = few_values(1, 20, X.shape[1], top)
    np.testing.assert_array_equal(tuned.predict(queries), searched.predict(queries))
    np.testing.assert_array_equal(tuned.predict_proba(queries), searched.predict_proba(queries))
    np.testing.assert_array_equal(tuned.classes_, searched.classes_)
    assert tuned.score(X, y) == searched.score(X, y)


def test_scores_are_scikit_learns_where_no_tie_decides() -> None:
    X, y = labelled(200, top=256)
    tuned = knnc.KNeighborsClassifierCV(**GRID, cv=4).fit(X, y)
    theirs = sklearn.neighbors.KNeighborsClassifier(algorithm="brute")
    searched = GridSearchCV(theirs, GRID, cv=4).fit(X.astype(np.float64), y)
    assert_same_results(tuned, searched)
    assert len(set(tuned.cv_results_["mean_test_score"])) > 5  # the candidates do differ


def test_scores_of_digits_are_scikit_learns(digits: Any) -> None:
    X, y = digits.X[:500], digits.y[:500]
    grid = {"n_neighbors": [1, 3, 6], "weights": ["distance"], "metric": ["euclidean"]}
    tuned = knnc.KNeighborsClassifierCV(**grid, cv=5).fit(X, y)
    theirs = sklearn.neighbors.KNeighborsClassifier(algorithm="brute")
    assert_same_results(tuned, GridSearchCV(theirs, grid, cv=5).fit(X.astype(float), y))


@pytest.mark.parametrize("scoring", ["f1_macro", "neg_log_loss", "roc_auc_ovr"])
def test_scoring_by_name(scoring: str) -> None:
    X, y = labelled(120)
    tuned, searched = both(X, y, cv=3, scoring=scoring)
    assert_same_results(tuned, searched)
    assert tuned.score(X, y) == searched.score(X, y)


def _score_of_a_part(estimator: Any, X: Any, y: Any) -> float:
    """Rows that are not those of the fold, neighbours, a changed estimator."""
    part = estimator.score(X[::2], y[::2])
    near = estimator.kneighbors(X, 2)[0].mean() / 1e3
    far = estimator.kneighbors(X, 20, return_distance=False).mean() / 1e5
    return float(part + near + far + estimator.set_params(n_neighbors=4).score(X, y))


@pytest.mark.parametrize(
    "scoring", [_score_of_a_part, make_scorer(f1_score, average="weighted")], ids=["plain", "made"]
)
def test_scoring_by_callable(scoring: Any) -> None:
    X, y = labelled()
    assert_same_results(*both(X, y, cv=3, scoring=scoring))


def test_callable_weights_and_no_weights() -> None:
    X, y = labelled()
    grid = {**GRID, "weights": [None, lambda dist: 1.0 / (1.0 + dist), "distance"]}
    assert_same_results(*both(X, y, grid, cv=3))


def test_string_labels_and_frames() -> None:
    X, y = labelled()
    frame = pandas.DataFrame(X, columns=[f"pixel{i}" for i in range(X.shape[1])])
    tuned, searched = both(frame, np.array(["b", "a", "c"])[y], cv=3)
    assert_same_results(tuned, searched)
    assert set(tuned.predict(frame)) == {"a", "b", "c"}
    np.testing.assert_array_equal(tuned.feature_names_in_, frame.columns)
    assert tuned.n_features_in_ == X.shape[1]


def _all_right(estimator: Any, X: Any, y: Any) -> float:
    proba = estimator.predict_proba(X)
    return float((estimator.predict(X) == y).all(axis=1).mean() + proba[1][:, 0].mean() / 100)


@pytest.mark.parametrize("leave_one_out", [False, True])
def test_several_outputs(leave_one_out: bool) -> None:
    X, y = labelled()
    y = np.column_stack([y, X[:, 1] > 1])
    if leave_one_out:
        tuned = knnc.KNeighborsClassifierCV([3], weights=["distance"], scoring=_all_right)
        tuned.fit(X, y)
        alone = knnc.KNeighborsClassifier(3, weights="distance").fit(X, y)
        right = (alone.predict(None) == y).all(axis=1).mean()
        assert tuned.best_score_ == right + alone.predict_proba(None)[1][:, 0].mean() / 100
    else:
        assert_same_results(*both(X, y, cv=3, scoring=_all_right))


@pytest.mark.parametrize(
    "make",
    [
        lambda X: X.astype(np.float64) / 255,
        lambda X: X.astype(np.float64) + 0.25 * (np.arange(len(X)) == 3)[:, np.newaxis],
        lambda X: X.astype(np.float64) * 1.7 - 3.1,
        lambda X: sparse.csr_matrix(X.astype(np.float64) * 1.7),
    ],
    ids=["pixels", "one odd row", "floats", "sparse"],
)
def test_other_numbers_than_bytes(make: Any) -> None:
    X, y = labelled(80, top=256)
    assert_same_results(*both(make(X), y, cv=3))


# ---- leave-one-out


@pytest.mark.parametrize(("top", "shift"), [(2, 0.0), (256, 0.0), (256, 0.3)])
def test_leave_one_out_is_grid_search_over_as_many_folds(
    top: int, shift: float, searches: Any
) -> None:
    X, y = labelled(40, top)
    X = X + shift if shift else X
    grid = {"n_neighbors": [1, 2, 5], "weights": ["uniform", "distance"], "metric": ["euclidean"]}
    tuned = knnc.KNeighborsClassifierCV(**grid).fit(X, y)
    assert (searches.calls, searches.queries) == (1, len(X))
    searched = GridSearchCV(knnc.KNeighborsClassifier(), grid, cv=LeaveOneOut()).fit(X, y)
    splits = {name for name in searched.cv_results_ if name.startswith("split")}
    assert set(tuned.cv_results_) == set(searched.cv_results_) - splits
    for name in ("mean_test_score", "rank_test_score", "param_n_neighbors", "param_weights"):
        np.testing.assert_array_equal(tuned.cv_results_[name], searched.cv_results_[name])
    assert not tuned.cv_results_["std_test_score"].any()
    assert tuned.best_params_ == searched.best_params_
    assert tuned.best_score_ == searched.best_score_


def test_leave_one_out_scores_all_predictions_at_once() -> None:
    X, y = labelled(60)
    tuned = knnc.KNeighborsClassifierCV([4], weights=["uniform"], scoring="f1_macro").fit(X, y)
    predicted = cross_val_predict(knnc.KNeighborsClassifier(4), X, y, cv=LeaveOneOut())
    assert tuned.best_score_ == f1_score(y, predicted, average="macro")


def test_leave_one_out_needs_two_rows() -> None:
    with pytest.raises(ValueError, match="n_samples = 1"):
        knnc.KNeighborsClassifierCV().fit([[1, 2]], [0])


# ---- what it costs


def test_one_search_a_metric_and_fold(searches: Any) -> None:
    X, y = labelled()
    seen: list[tuple[int, int]] = []
    with knnc.progress(lambda done, total: seen.append((done, total))):
        tuned = knnc.KNeighborsClassifierCV(**GRID, cv=3, scoring="neg_log_loss").fit(X, y)
    assert (searches.calls, searches.queries) == (6, 2 * len(X))
    assert seen == sorted(seen)
    assert seen[-1] == (2 * len(X), 2 * len(X))
    assert (tuned.cv_results_["mean_fit_time"] > 0).all()
    assert (tuned.cv_results_["mean_score_time"] > 0).all()


def test_folds_that_are_masks() -> None:
    X, y = labelled()
    test = np.arange(len(y)) % 3 == 0
    seen: list[tuple[int, int]] = []
    with knnc.progress(lambda done, total: seen.append((done, total))):
        masks = knnc.KNeighborsClassifierCV([1, 3], cv=[(~test, test)], refit=False).fit(X, y)
    assert seen[-1] == (30, 30)
    numbers = knnc.KNeighborsClassifierCV(
        [1, 3], cv=[(np.flatnonzero(~test), np.flatnonzero(test))]
    )
    np.testing.assert_array_equal(
        masks.cv_results_["mean_test_score"], numbers.fit(X, y).cv_results_["mean_test_score"]
    )


# ---- too many neighbours


@pytest.mark.parametrize("cv", [2, None], ids=["folds", "leave-one-out"])
def test_a_k_that_a_fold_lacks_is_nan_with_the_same_warning(cv: Any) -> None:
    X, y = labelled(24)
    grid = {"n_neighbors": [1, 23, 24, 30], "weights": ["uniform"], "metric": ["euclidean"]}
    tuned = knnc.KNeighborsClassifierCV(**grid, cv=cv)
    searched = GridSearchCV(knnc.KNeighborsClassifier(), grid, cv=2 if cv else LeaveOneOut())
    told = []
    for estimator in (tuned, searched):
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            estimator.fit(X, y)
        told.append({(w.category, str(w.message).split("Details")[0]) for w in record})
    assert told[0] == told[1]
    for name in ("mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(tuned.cv_results_[name], searched.cv_results_[name])
    missing = [False, cv == 2, True, True]
    np.testing.assert_array_equal(np.isnan(tuned.cv_results_["mean_test_score"]), missing)
    assert tuned.best_params_["n_neighbors"] == searched.best_params_["n_neighbors"]


# ---- parameters and attributes


def test_default_candidates_suit_the_data() -> None:
    X, y = labelled(9)
    few = knnc.KNeighborsClassifierCV().fit(X, y).cv_results_
    assert sorted(set(few["param_n_neighbors"])) == list(range(1, 9))
    folds = knnc.KNeighborsClassifierCV(cv=[(np.arange(5), np.arange(5, 9))]).fit(X, y).cv_results_
    assert max(folds["param_n_neighbors"]) == 5
    X, y = labelled(400)
    ks = knnc.KNeighborsClassifierCV(weights=["uniform"]).fit(X, y).cv_results_["param_n_neighbors"]
    assert list(ks[:5]) == [1, 2, 3, 4, 5]
    assert ks[-1] == 19  # isqrt(399)


def test_without_refit_there_is_nothing_to_predict_with() -> None:
    X, y = labelled()
    tuned = knnc.KNeighborsClassifierCV(**GRID, cv=3).fit(X, y)
    tuned.set_params(refit=False).fit(X, y)
    assert tuned.best_params_ == both(X, y, cv=3)[1].best_params_
    for name in ("predict", "predict_proba", "score", "best_estimator_", "classes_"):
        assert not hasattr(tuned, name)
    assert not hasattr(tuned, "n_features_in_")
    with pytest.raises(AttributeError) as caught:
        tuned.predict(X)
    assert "refit=False" in str(caught.value.__cause__)


def test_refit_by_a_callable() -> None:
    X, y = labelled()

    def simplest_within_a_deviation(results: Any) -> int:
        best = results["mean_test_score"].argmax()
        enough = results["mean_test_score"][best] - results["std_test_score"][best]
        good = results["mean_test_score"] >= enough
        return int(np.argmax(np.where(good, results["param_n_neighbors"], 0)))

    tuned, searched = both(X, y, cv=3, refit=simplest_within_a_deviation)
    assert_same_results(tuned, searched)
    assert not hasattr(tuned, "best_score_")
    assert tuned.best_estimator_.n_neighbors == searched.best_estimator_.n_neighbors


def test_groups_and_metadata_routing() -> None:
    import sklearn

    X, y = labelled()
    groups = np.arange(len(y)) % 5
    assert_same_results(*both(X, y, groups=groups, cv=GroupKFold(3)))
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        knnc.KNeighborsClassifierCV([1], cv=3).fit(X, y, sample_weight=y)
    with sklearn.config_context(enable_metadata_routing=True):
        scoring = make_scorer(f1_score, average="macro").set_score_request(sample_weight=True)
        grid, weight = {**GRID, "metric": ["euclidean"]}, 1.0 + groups
        tuned = knnc.KNeighborsClassifierCV(**grid, cv=GroupKFold(3), scoring=scoring)
        searched = GridSearchCV(
            knnc.KNeighborsClassifier(), grid, cv=GroupKFold(3), scoring=scoring
        )
        for estimator in (tuned, searched):
            estimator.fit(X, y, groups=groups, sample_weight=weight)
        assert_same_results(tuned, searched)
        assert tuned.score(X, y, sample_weight=weight) == searched.score(X, y, sample_weight=weight)


def test_errors_are_said_at_once_and_change_nothing() -> None:
    X, y = labelled()
    with pytest.raises(NotFittedError):
        knnc.KNeighborsClassifierCV().predict(X)
    tuned = knnc.KNeighborsClassifierCV(**GRID, cv=3).fit(X, y)
    before = dict(vars(tuned))
    for wrong in (
        {"n_neighbors": 3},
        {"n_neighbors": []},
        {"n_neighbors": [0]},
        {"n_neighbors": [2.5]},
        {"weights": "uniform"},
        {"weights": ["nearest"]},
        {"metric": "euclidean"},
        {"metric": ["no such"]},
        {"metric": ["precomputed"]},
        {"cv": []},
        {"scoring": "no such"},
        {"scoring": lambda estimator, X, y: {"a": 1.0}},
        {"refit": "yes"},
    ):
        with pytest.raises(ValueError, match=r"\w"):
            knnc.KNeighborsClassifierCV(**{**GRID, "cv": 3, **wrong}).fit(X, y)
        ((name, value),) = wrong.items()
        tuned.set_params(**{name: value})
        with pytest.raises(ValueError, match=r"\w"):
            tuned.fit(X, y)
        tuned.set_params(**{name: before[name]})
        assert vars(tuned) == before
    assert_same_error(
        lambda: tuned.fit(X, y + 0.5), lambda: knnc.KNeighborsClassifier().fit(X, y + 0.5)
    )
    assert_same_error(
        lambda: tuned.fit(X[:-1], y), lambda: GridSearchCV(tuned, {"cv": [2]}).fit(X[:-1], y)
    )
    assert vars(tuned) == before


# ---- numbers for targets


@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error"])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regressor_scores_are_those_of_grid_search(scoring: Any, n_outputs: int) -> None:
    X, _ = labelled()
    y = X.astype(np.float64)[:, :2] @ np.array([[1.0, 0.3], [0.1, -2.0]])[:, :n_outputs]
    y = y + np.random.default_rng(0).normal(size=y.shape)
    y = y[:, 0] if n_outputs == 1 else y
    grid = {**GRID, "weights": ["uniform", "distance", lambda dist: 1.0 / (1.0 + dist)]}
    tuned = knnc.KNeighborsRegressorCV(**grid, cv=3, scoring=scoring).fit(X, y)
    searched = GridSearchCV(knnc.KNeighborsRegressor(), grid, cv=3, scoring=scoring).fit(X, y)
    assert_same_results(tuned, searched)
    np.testing.assert_array_equal(tuned.predict(X), searched.predict(X))
    assert tuned.score(X, y) == searched.score(X, y)
    assert not hasattr(tuned, "classes_")
    assert not hasattr(tuned, "predict_proba")


def test_regressor_scores_are_scikit_learns_where_no_tie_decides() -> None:
    X, _ = labelled(150, top=256)
    y = np.log1p(X[:, 0].astype(np.float64))
    # Manhattan distances of few features tie, and the root of a float sum rounds otherwise.
    grid = {**GRID, "metric": ["euclidean"], "weights": ["uniform"]}
    tuned = knnc.KNeighborsRegressorCV(**grid, cv=4).fit(X, y)
    theirs = sklearn.neighbors.KNeighborsRegressor(algorithm="brute")
    assert_same_results(tuned, GridSearchCV(theirs, grid, cv=4).fit(X.astype(np.float64), y))


def test_regressor_leave_one_out_scores_all_predictions_at_once(searches: Any) -> None:
    X, _ = labelled(60)
    y = X[:, 0] / 3.0
    tuned = knnc.KNeighborsRegressorCV([2, 5]).fit(X, y)
    assert searches.calls == 1
    for k, weights, score in zip(
        tuned.cv_results_["param_n_neighbors"],
        tuned.cv_results_["param_weights"],
        tuned.cv_results_["mean_test_score"],
        strict=True,
    ):
        alone = knnc.KNeighborsRegressor(k, weights=weights)
        assert score == r2_score(y, cross_val_predict(alone, X, y, cv=LeaveOneOut()))
    assert {"split0_test_score"}.isdisjoint(tuned.cv_results_)
