"""Reports of rows that no bytes stand for: pairs, neighbours and shares are the oracle's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from knnc import KNeighborsClassifier, KNeighborsClassifierCV
from knnc.inspection import disputed_labels, leave_one_out_proba, near_duplicates
from tests.float_oracle import distances_of, float_table
from tests.neighbors.float_support import FLOAT_METRICS, expected
from tests.neighbors.support import few_values

# With ties, duplicates and rows of zeros.
ROWS = few_values(1, 120, 18, 3) * 150.5
ROWS[[4, 50]] = 0
ROWS[100:110] = ROWS[:10]
Y = np.arange(120) % 3
METRICS = ("euclidean", "manhattan", "chebyshev", "cosine")
DTYPES = (np.float32, np.float64, np.uint16)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rank", [0, 40, 3000])
def test_near_duplicates(metric: str, dtype: Any, rank: int) -> None:
    X = ROWS.astype(dtype)
    keys = float_table(X, X.astype(np.float64), FLOAT_METRICS[metric])
    dist = distances_of(keys, metric, 18)
    first, second = np.triu_indices(120, 1)
    radius = float(np.sort(dist[first, second])[rank])
    near = dist[first, second] <= radius
    first, second = first[near], second[near]
    order = np.lexsort((second, first, dist[first, second]))
    found = near_duplicates(X, radius, metric=metric)
    np.testing.assert_array_equal(found.pairs, np.column_stack([first, second])[order])
    np.testing.assert_array_equal(found.distances, dist[first, second][order], strict=True)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_labels(metric: str, dtype: Any) -> None:
    X = ROWS.astype(dtype)
    dist, ind = expected(X, None, 5, metric)
    shares = np.stack([(Y[ind] == c).mean(axis=1) for c in range(3)], axis=1)
    classifier = KNeighborsClassifier(5, metric=metric).fit(X, Y)
    assert classifier.engine_ == "float"
    np.testing.assert_array_equal(leave_one_out_proba(classifier), shares)
    found = disputed_labels(classifier, min_share=0.0)
    others = shares.copy()
    others[np.arange(120), Y] = -1
    lead = others.max(axis=1) - shares[np.arange(120), Y]
    assert len(found) > 20
    assert sorted(found.index) == np.flatnonzero(lead > 0).tolist()
    np.testing.assert_array_equal(found.neighbors, ind[found.index])
    np.testing.assert_array_equal(found.distances, dist[found.index], strict=True)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_labels_by_the_best_candidate(weights: str) -> None:
    """Leave-one-out of the candidates is the oracle's too."""
    cv = KNeighborsClassifierCV([1, 4, 9], weights=[weights]).fit(ROWS, Y)
    scores = []
    for k in (1, 4, 9):
        dist, ind = expected(ROWS, None, k)
        with np.errstate(divide="ignore"):
            each = np.ones_like(dist) if weights == "uniform" else 1 / dist
        each = np.where(np.isinf(each).any(axis=1)[:, np.newaxis], np.isinf(each), each)
        votes = np.stack([(each * (Y[ind] == c)).sum(axis=1) for c in range(3)], axis=1)
        scores.append((votes.round(12).argmax(axis=1) == Y).mean())
    np.testing.assert_allclose(cv.cv_results_["mean_test_score"], scores, rtol=1e-12)
    best = KNeighborsClassifier(cv.best_params_["n_neighbors"], weights=weights).fit(ROWS, Y)
    np.testing.assert_array_equal(leave_one_out_proba(cv), leave_one_out_proba(best))
