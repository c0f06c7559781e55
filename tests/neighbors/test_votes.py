"""Votes for several k at once, beside those for one k at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.neighbors.votes import most_voted, most_voted_of_first


def each_by_itself(codes, n_classes, ks, weights):
    return [
        most_voted(codes[:, :k].copy(), n_classes, None if weights is None else weights[:, :k])
        for k in ks
    ]


@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 30),
    n_classes=st.sampled_from([1, 2, 3, 10, 40, 3000]),
    weighing=st.sampled_from(["none", "few values", "inverse", "zero or one", "near ties"]),
)
def test_winners_of_each_k_are_those_of_one_k(seed, k, n_classes, weighing) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_classes, (50, k))
    codes[:25] = codes[:25] % 3  # few of many classes
    weights = {
        "none": None,
        "few values": 1.0 / rng.integers(1, 4, codes.shape),
        "inverse": 1.0 / np.sqrt(rng.integers(1, 50_000, codes.shape)),
        "zero or one": rng.integers(0, 2, codes.shape).astype(float),
        "near ties": 0.1 + rng.integers(0, 2, codes.shape) * 2.0**-56,
    }[weighing]
    ks = rng.permutation(np.unique(rng.integers(1, k + 1, 6)))
    winners = most_voted_of_first(codes, n_classes, [int(k) for k in ks], weights)
    np.testing.assert_array_equal(winners, each_by_itself(codes, n_classes, ks, weights))


@pytest.mark.parametrize("n_classes", [3, 200])
def test_more_queries_than_are_counted_at_once(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, n_classes, (30_000, 9))
    weights = 1.0 / np.sqrt(rng.integers(1, 9, codes.shape))
    winners = most_voted_of_first(codes, n_classes, [2, 9], weights)
    np.testing.assert_array_equal(winners, each_by_itself(codes, n_classes, [2, 9], weights))


def test_sums_that_depend_on_the_order_are_those_of_one_k() -> None:
    """Two classes with the same weights in another order: what a sum rounds to decides."""
    rng = np.random.default_rng(1)
    weights = 1.0 / np.sqrt(rng.integers(1, 60, (4_000, 10)))
    weights = np.concatenate([weights, rng.permuted(weights, axis=1)], axis=1)
    codes = np.repeat([[0, 1]], 10, axis=1).repeat(len(weights), axis=0)
    expected = most_voted(codes, 2, weights)
    assert 0.05 < expected.mean() < 0.95
    np.testing.assert_array_equal(most_voted_of_first(codes, 2, [20], weights)[0], expected)
    totals = np.zeros((len(weights), 2))
    for column in range(20):
        totals[np.arange(len(weights)), codes[:, column]] += weights[:, column]
    assert (totals.argmax(axis=1) != expected).any()  # adding up alone would not do
