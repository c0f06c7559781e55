"""Local outlier factors: scikit-learn's, from the neighbours that the engine finds."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import knnc
from tests.neighbors.float_support import expected
from tests.neighbors.support import any_bytes, assert_same_error, twins

X = np.vstack([any_bytes(1, 80, 6) // 4, any_bytes(2, 4, 6)])
Q = np.vstack([any_bytes(3, 30, 6) // 4, any_bytes(4, 3, 6)])
FITS = {
    "uint8": lambda A: A,
    "int8": lambda A: (A.astype(np.int16) - 128).astype(np.int8),
    "float64": lambda A: A.astype(np.float64),
    "float32 / 255": lambda A: A.astype(np.float32) / np.float32(255),
    "float": lambda A: A + 0.5,
    "float32": lambda A: (A + 0.5).astype(np.float32),
}


@pytest.mark.parametrize("contamination", ["auto", 0.05])
@pytest.mark.parametrize("fit", FITS)
def test_outliers_are_scikit_learns(fit: str, contamination: object) -> None:
    rows = FITS[fit](X)
    ours, theirs = twins(
        knnc.LocalOutlierFactor, n_neighbors=9, contamination=contamination, algorithm="brute"
    )
    labels = ours.fit_predict(rows)
    assert ours.engine_ == ("float" if fit in ("float", "float32") else "integer")
    np.testing.assert_array_equal(labels, theirs.fit_predict(rows.astype(np.float64)))
    assert (labels == -1).sum() > 2
    np.testing.assert_allclose(
        ours.negative_outlier_factor_, theirs.negative_outlier_factor_, rtol=1e-6
    )
    assert ours.negative_outlier_factor_.dtype == np.float64
    np.testing.assert_allclose(ours.offset_, theirs.offset_, rtol=1e-6)


@pytest.mark.parametrize("fit", FITS)
def test_novelties_are_scikit_learns(fit: str) -> None:
    """Rows that no bytes stand for are judged in the same call."""
    queries = np.vstack([FITS[fit](Q).astype(np.float64), FITS[fit](Q)[::2] + 1e-3])
    ours, theirs = twins(knnc.LocalOutlierFactor, n_neighbors=9, novelty=True, algorithm="brute")
    ours.fit(FITS[fit](X))
    theirs.fit(FITS[fit](X).astype(np.float64))
    for estimator in (ours, pickle.loads(pickle.dumps(ours))):
        np.testing.assert_allclose(
            estimator.decision_function(queries), theirs.decision_function(queries), rtol=1e-5
        )
        np.testing.assert_array_equal(estimator.predict(queries), theirs.predict(queries))


def test_it_goes_through_the_engine(searches) -> None:
    lof = knnc.LocalOutlierFactor(novelty=True).fit(X / 255)
    assert (searches.calls, searches.queries) == (1, len(X))
    lof.predict(Q / 255)
    assert (searches.calls, searches.queries) == (2, len(X) + len(Q))


def test_few_rows_and_duplicates() -> None:
    with pytest.warns(UserWarning, match="n_neighbors will be set to"):
        assert knnc.LocalOutlierFactor().fit(X[:5]).n_neighbors_ == 4
    same = np.repeat(X[:2], 30, axis=0)
    same[-1] = 255
    with pytest.warns(UserWarning, match="Duplicate values"):
        labels = knnc.LocalOutlierFactor(n_neighbors=5).fit_predict(same)
    assert labels[-1] == -1


def test_a_failed_fit_changes_nothing() -> None:
    lof = knnc.LocalOutlierFactor(n_neighbors=3).fit(X)
    before = dict(vars(lof))
    theirs = twins(knnc.LocalOutlierFactor, n_neighbors=1, algorithm="brute")[1]
    lof.n_neighbors = before["n_neighbors"] = 1
    assert_same_error(lambda: lof.fit(X[:1]), lambda: theirs.fit(X[:1]))
    assert vars(lof) == before
    for method in ("predict", "decision_function", "score_samples"):
        assert not hasattr(lof, method)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_factors_of_floats_are_those_of_the_oracle(metric: str, dtype: type) -> None:
    """By the definition, with what the oracle has for neighbours and distances."""
    rows, queries = ((np.tile(A, 3) * 3.5 + 300).astype(dtype) for A in (X, Q))
    rows[:, 7] *= 2
    k = 9
    dist, ind = expected(rows, None, k, metric)

    def density(dist: np.ndarray, ind: np.ndarray) -> np.ndarray:
        reach = np.maximum(dist, own_dist[ind, k - 1])
        return 1 / (reach.mean(axis=1) + 1e-10)

    own_dist = dist
    densities = density(dist, ind)
    lof = knnc.LocalOutlierFactor(n_neighbors=k, metric=metric, novelty=True).fit(rows)
    assert lof.engine_ == "float"
    factors = (densities[ind] / densities[:, np.newaxis]).mean(axis=1)
    np.testing.assert_allclose(lof.negative_outlier_factor_, -factors, rtol=1e-12)
    dist, ind = expected(rows, queries, k, metric)
    factors = (densities[ind] / density(dist, ind)[:, np.newaxis]).mean(axis=1)
    np.testing.assert_allclose(lof.score_samples(queries.astype(float)), -factors, rtol=1e-12)
