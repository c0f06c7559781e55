"""Float queries of rows that are bytes: the oracle's answers, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

import knnc
from tests.neighbors.float_support import FLOAT_METRICS, expected
from tests.neighbors.support import any_bytes, assert_same, few_values

F32, F64 = np.float32, np.float64
BYTES = {
    "uint8": lambda A: A,
    "int8": lambda A: A.view(np.int8),
    "float64": lambda A: A * 1.0,
    "float32 / 255": lambda A: A.astype(F32) / F32(255),
    "float64 * 1/255": lambda A: A * (1 / 255),
}


@pytest.mark.parametrize("metric", [name for name in FLOAT_METRICS if name != "cosine"])
@pytest.mark.parametrize("fit", BYTES)
def test_float_queries_of_bytes(fit: str, metric: str) -> None:
    X = BYTES[fit](any_bytes(1, 90, 7))
    queries = X[:20].astype(F64) + np.random.default_rng(2).choice([0.5, 0.123], (20, 7))
    nn = knnc.NearestNeighbors(metric=metric).fit(X)
    assert nn.engine_ == "integer"
    dist, ind = expected(X, queries, 90, metric)
    assert_same(nn.kneighbors(queries, 90), (dist, ind))
    assert_same(nn.kneighbors(queries[3:4], 4), (dist[3:4, :4], ind[3:4, :4]))
    mixed = np.vstack([queries[:2], X[:3].astype(X.dtype), queries[2:4]])
    got = nn.kneighbors(mixed, 90)
    assert_same((got[0][[0, 1, 5, 6]], got[1][[0, 1, 5, 6]]), (dist[:4], ind[:4]))
    mask = np.arange(90) % 3 > 0
    where = np.flatnonzero(mask)
    some = expected(X[where], queries, 5, metric)
    assert_same(nn.kneighbors(queries, 5, row_mask=mask), (some[0], where[some[1]]))
    radius = float(dist[0, 40])
    for sort in (False, True):
        found = nn.radius_neighbors(queries, radius, sort_results=sort)
        for i in range(20):
            inside = dist[i] <= radius
            order = np.argsort(ind[i][inside]) if not sort else slice(None)
            np.testing.assert_array_equal(found[0][i], dist[i][inside][order])
            np.testing.assert_array_equal(found[1][i], ind[i][inside][order])


def test_float_queries_of_rows_that_are_not_contiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such rows are copied in blocks; a block may hold fewer rows than k."""
    monkeypatch.setattr("knnc.neighbors.float_queries._BLOCK", 7 * 5)
    X = np.asfortranarray(few_values(1, 33, 5))
    queries = few_values(2, 9, 5) + 0.5
    with knnc.config_context(max_memory=1):
        nn = knnc.NearestNeighbors().fit(X)
        assert np.shares_memory(nn._rows, X)
        for k in (1, 9, 33):
            done: list[int] = []
            with knnc.progress(lambda so_far, total, done=done: done.append(so_far)):
                assert_same(nn.kneighbors(queries, k), expected(X, queries, k))
            assert done == sorted(done)
            assert done[-1] == 9
        dist, ind = expected(X, queries, 33)
        for sort in (False, True):
            found = nn.radius_neighbors(queries, 2.3, sort_results=sort)
            only = nn.radius_neighbors(queries, 2.3, return_distance=False)
            for i in range(9):
                inside = dist[i] <= 2.3
                order = slice(None) if sort else np.argsort(ind[i][inside])
                np.testing.assert_array_equal(found[0][i], dist[i][inside][order])
                np.testing.assert_array_equal(found[1][i], ind[i][inside][order])
                np.testing.assert_array_equal(only[i], np.sort(ind[i][inside]))
