"""The mean is scikit-learn's, given the same neighbours; and the neighbours are the engine's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.neighbors
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV, LeaveOneOut, cross_val_predict

import knnc
from tests.neighbors.support import any_bytes, few_values, oracle, outcome, twins

WEIGHTS = {
    "uniform": "uniform",
    "none": None,
    "distance": "distance",
    "inverse square": lambda d: 1.0 / (1.0 + d) ** 2,
    "zero": lambda d: np.zeros_like(d),
}


def _mean_of_scikit_learn(fitted: knnc.KNeighborsRegressor) -> Any:
    """Its regressor with the neighbours that ours finds: its mean alone."""

    class Mean(sklearn.neighbors.KNeighborsRegressor):
        def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
            return fitted.kneighbors(X, n_neighbors, return_distance)

    mean = Mean()
    vars(mean).update(vars(fitted))
    return mean


@pytest.mark.parametrize("weights", WEIGHTS)
@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 50),
    k=st.integers(1, 30),
    top=st.sampled_from([2, 4, 256]),
    n_outputs=st.integers(1, 3),
    dtype=st.sampled_from([np.float64, np.float32, np.int64, np.bool_]),
)
def test_mean_is_scikit_learns(weights, seed, n, k, top, n_outputs, dtype) -> None:
    X, Q = few_values(seed, n, 3, top), few_values(seed + 1, 15, 3, top)
    y = np.random.default_rng(seed).integers(-9, 9, (n, n_outputs)).astype(dtype)
    regressor = knnc.KNeighborsRegressor(min(k, n), weights=WEIGHTS[weights])
    regressor.fit(X, y if n_outputs > 1 else y[:, 0])
    theirs = _mean_of_scikit_learn(regressor)
    with np.errstate(all="ignore"):
        for queries in (Q, None) if k < n else (Q,):
            got = outcome(lambda q=queries: regressor.predict(q))
            expected = outcome(lambda q=queries: theirs.predict(q))
            assert got[:2] == expected[:2]
            np.testing.assert_array_equal(got.value, expected.value, strict=True)


FITS = {
    "uint8": lambda A: A,
    "int8": lambda A: (A.astype(np.int16) - 128).astype(np.int8),
    "float64": lambda A: A.astype(np.float64),
    "float32 / 255": lambda A: A.astype(np.float32) / np.float32(255),
}


@pytest.mark.parametrize("algorithm", ["auto", "brute", "pruned"])
@pytest.mark.parametrize("fit", FITS)
def test_nothing_goes_round_the_engine(fit: str, algorithm: str, searches) -> None:
    X, Q = any_bytes(1, 90, 20), any_bytes(2, 17, 20)
    y = np.arange(90.0)
    regressor = knnc.KNeighborsRegressor(algorithm=algorithm).fit(FITS[fit](X), y)
    assert regressor.engine_ == "integer"
    queries = FITS[fit](Q)
    for call, count in [
        (lambda: regressor.predict(queries), 17),
        (lambda: regressor.score(queries, np.zeros(17)), 17),
        (lambda: regressor.kneighbors_graph(queries), 17),
        (lambda: regressor.predict(None), 90),
        (lambda: regressor.score(None, y), 90),
    ]:
        searches.calls = searches.queries = 0
        call()
        assert (searches.calls, searches.queries) == (1, count)
    expected = y[oracle(X, Q, 5, "euclidean")[1]].mean(axis=1)
    np.testing.assert_array_equal(regressor.predict(queries), expected)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_scikit_learns_numbers_where_nothing_ties(weights: str) -> None:
    """On either engine; and rows that no bytes stand for are answered in the same call."""
    X, y = any_bytes(3, 80, 6), np.arange(80.0) ** 2
    Q = np.vstack([any_bytes(4, 20, 6), any_bytes(5, 20, 6) + 0.25])
    for shift, engine in ((0.0, "integer"), (0.5, "float")):
        ours, theirs = twins(knnc.KNeighborsRegressor, n_neighbors=4, weights=weights)
        ours.fit(X + shift, y)
        theirs.fit(X + shift, y)
        assert ours.engine_ == engine
        np.testing.assert_allclose(ours.predict(Q), theirs.predict(Q), rtol=1e-9)
        np.testing.assert_allclose(ours.predict(None), theirs.predict(None), rtol=1e-9)


def test_predict_of_none_is_leave_one_out() -> None:
    X, y = any_bytes(6, 50, 2), np.arange(50.0)
    regressor = knnc.KNeighborsRegressor(7, weights="distance")
    each = cross_val_predict(regressor, X, y, cv=LeaveOneOut())
    np.testing.assert_array_equal(regressor.fit(X, y).predict(None), each)


def test_a_failed_fit_changes_nothing() -> None:
    X, y = any_bytes(7, 30, 4), np.arange(30.0)
    regressor = knnc.KNeighborsRegressor().fit(X, y)
    before = dict(vars(regressor))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        regressor.fit(X, y[:-1])
    assert vars(regressor) == before


def test_a_grid_in_several_processes() -> None:
    X, y = any_bytes(8, 90, 5), np.arange(90.0) % 7
    grid = {"n_neighbors": [1, 4], "weights": ["uniform", "distance"]}
    with warnings.catch_warnings(action="ignore"):  # how a backend stops its workers is its affair
        found = [
            GridSearchCV(knnc.KNeighborsRegressor(), grid, cv=3, n_jobs=n_jobs).fit(X, y)
            for n_jobs in (1, -1)
        ]
    np.testing.assert_array_equal(*(f.cv_results_["mean_test_score"] for f in found))
    assert found[0].best_estimator_.engine_ == "integer"
