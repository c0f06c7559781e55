"""Clusters of codes: every row in the nearest one, near ones side by side."""

from __future__ import annotations

import numpy as np
import pytest

from knnc.engine.codes import clusters
from knnc.engine.codes.rows import permute
from knnc.engine.metrics import PRUNED_METRICS
from tests.engine.support import draw
from tests.oracle import oracle_distances


@pytest.fixture(params=PRUNED_METRICS)
def metric(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _two_far_groups() -> np.ndarray:
    codes = draw(1, 900, 12) // np.uint8(8)
    codes[1::2] += 200
    return codes


@pytest.mark.parametrize(
    "codes",
    [draw(2, 1, 5), draw(3, 199, 5), draw(4, 2_000, 30), np.full((700, 9), 7, np.uint8),
     _two_far_groups()],
    ids=["one", "fewer than two clusters", "random", "equal", "two groups"],
)  # fmt: skip
def test_each_row_is_in_the_cluster_with_the_nearest_centre(metric: str, codes: np.ndarray) -> None:
    centres, nearest = clusters.cluster(codes, metric, None, 2)
    assert centres.n_rows == max(1, len(codes) // clusters.ROWS_A_CLUSTER)
    assert nearest.shape == (len(codes),)
    assert nearest.min() >= 0
    assert nearest.max() < centres.n_rows
    if len(codes) == 900:
        assert not set(nearest[::2]) & set(nearest[1::2])


def test_the_same_clusters_from_any_number_of_threads(metric: str) -> None:
    codes = draw(5, 3_000, 40, "few")
    _, nearest = clusters.cluster(codes, metric, None, 1)
    for n_threads in (2, 3):
        np.testing.assert_array_equal(clusters.cluster(codes, metric, None, n_threads)[1], nearest)


@pytest.mark.parametrize(("n", "width"), [(1, 3), (2, 1), (500, 7)])
def test_permute_in_place(n: int, width: int) -> None:
    rng = np.random.default_rng(n)
    codes = draw(7, n, width)
    for order in (rng.permutation(n), np.arange(n), np.roll(np.arange(n), 1)):
        moved = codes.copy()
        permute(moved, order)
        np.testing.assert_array_equal(moved, codes[order])


def test_means() -> None:
    sample = np.array([[0, 9], [4, 9], [200, 100]], np.uint8)
    centres = np.array([[1, 1], [2, 2], [3, 3]], np.uint8)
    means = clusters._means(sample, np.array([2, 2, 0]), centres)
    np.testing.assert_array_equal(means, [[200, 100], [2, 2], [2, 9]])


def test_a_chain_goes_to_the_nearest_that_is_left() -> None:
    places = np.array([0, 70, 10, 60, 20, 255], np.uint8)
    chain = clusters._chain(np.repeat(places[:, np.newaxis], 3, axis=1))
    np.testing.assert_array_equal(places[chain], [0, 10, 20, 60, 70, 255])
    for count in (1, 2):
        assert sorted(clusters._chain(np.zeros((count, 4), np.uint8))) == list(range(count))


def test_rows_lie_near_their_own_kind() -> None:
    """What clusters are for: a row's cluster holds its nearest row more often than chance."""
    rng = np.random.default_rng(6)
    middles = rng.integers(40, 216, size=(10, 20))
    codes = middles[rng.integers(0, 10, size=2_000)] + rng.integers(-20, 21, size=(2_000, 20))
    codes = codes.astype(np.uint8)
    _, nearest = clusters.cluster(codes, "sqeuclidean", None, 1)
    found = 0
    for i in range(0, 2_000, 20):
        dist = oracle_distances(codes, codes[i], "sqeuclidean")
        dist[i] = dist.max() + 1
        found += nearest[dist.argmin()] == nearest[i]
    assert found > 60, f"{found} of 100, of ten clusters"
