"""The oracle itself, against three loops of pure Python."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.support import PALETTES, draw
from tests.oracle import Bytes, oracle_distances, oracle_kneighbors, verify_answer


def _loops(
    rows: Bytes, queries: Bytes | None, k: int, metric: str
) -> tuple[list[list[int]], list[list[int]]]:
    dist: list[list[int]] = []
    ind: list[list[int]] = []
    for i, query in enumerate((rows if queries is None else queries).tolist()):
        pairs = []
        for j, row in enumerate(rows.tolist()):
            if queries is None and i == j:
                continue
            total = 0
            for a, b in zip(query, row, strict=True):
                if metric == "chebyshev":
                    total = max(total, abs(a - b))
                elif metric == "hamming":
                    total += a != b
                else:
                    total += (a - b) ** 2 if metric == "sqeuclidean" else abs(a - b)
            pairs.append((total, j))
        pairs.sort()
        dist.append([pair[0] for pair in pairs[:k]])
        ind.append([pair[1] for pair in pairs[:k]])
    return dist, ind


@pytest.mark.parametrize("leave_one_out", [False, True])
@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize(("n", "d"), [(2, 1), (9, 3), (23, 5), (40, 17)])
def test_equals_three_loops(metric: str, n: int, d: int, palette: str, leave_one_out: bool) -> None:
    rows = draw(1, n, d, palette)
    queries = None if leave_one_out else draw(2, 7, d, palette)
    for k in (1, n - leave_one_out):
        dist, ind = oracle_kneighbors(rows, queries, k, metric)
        assert dist.dtype == ind.dtype == np.int64
        assert (dist.tolist(), ind.tolist()) == _loops(rows, queries, k, metric)


@pytest.mark.parametrize("d", [33_025, 33_026, 40_000, 66_052])
def test_wide_extremes_do_not_wrap(d: int) -> None:
    rows = np.array([[255] * d, [0] * d, [128] * d], dtype=np.uint8)
    query = np.zeros(d, dtype=np.uint8)
    squared = oracle_distances(rows, query, "sqeuclidean")
    assert squared.tolist() == [65_025 * d, 0, 16_384 * d]
    assert oracle_distances(rows, query, "manhattan").tolist() == [255 * d, 0, 128 * d]
    assert oracle_distances(rows, query, "chebyshev").tolist() == [255, 0, 128]
    assert oracle_distances(rows, query, "hamming").tolist() == [d, 0, d]


def test_verify_answer_accepts_the_oracle_and_nothing_else(metric: str) -> None:
    rows, queries = draw(3, 60, 4, "few"), draw(4, 11, 4, "few")
    table = np.stack([oracle_distances(rows, query, metric) for query in queries])
    dist, ind = oracle_kneighbors(rows, queries, 8, metric)
    verify_answer(table, dist, ind)
    for i, query_distances in enumerate(table):
        outside = np.setdiff1d(np.arange(60), ind[i])
        for j in range(8):  # each neighbour in turn replaced by the nearest one left out
            wrong_ind = ind.copy()
            wrong_ind[i, j] = outside[np.argmin(query_distances[outside])]
            with pytest.raises(AssertionError):
                verify_answer(table, np.take_along_axis(table, wrong_ind, axis=1), wrong_ind)
    with pytest.raises(AssertionError):
        verify_answer(table, dist[:, ::-1].copy(), ind[:, ::-1].copy())
    with pytest.raises(AssertionError):
        verify_answer(table, dist + 1, ind)
