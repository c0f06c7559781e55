"""The engine's integers become floats with one rounding."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from knnc.engine.index import Index
from knnc.engine.metrics import ENGINE_METRICS, METRICS, PRUNED_METRICS, minkowski


def _nearest_root_over_255(dist: int) -> float:
    """sqrt(dist) / 255 correctly rounded: the float whose midpoints, squared, enclose dist."""
    guess = math.sqrt(dist) / 255
    near = [guess]
    for _ in range(3):
        near = [math.nextafter(near[0], -1.0), *near, math.nextafter(near[-1], math.inf)]
    for low, high in pairwise(near):
        middle = (Fraction(low) + Fraction(high)) / 2 * 255
        if middle > 0 and middle * middle > dist:
            return low
    raise AssertionError(dist)


def _integers() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate(
        [
            np.arange(2000),
            np.arange(300) ** 2,
            rng.integers(0, 784 * 255**2, 3000),
            rng.integers(0, 150_528 * 255**2, 3000),
        ]
    )


def test_scaled_euclidean_is_correctly_rounded() -> None:
    dist = _integers()
    got = ENGINE_METRICS["euclidean"].to_float(dist, 255, 784)
    expected = np.array([_nearest_root_over_255(int(d)) for d in dist])
    np.testing.assert_array_equal(got, expected)
    twice = np.sqrt(dist) / 255  # what two roundings would have given
    assert np.count_nonzero(twice != expected) > 100


@pytest.mark.parametrize("divisor", [1, 255])
def test_the_others_are_correctly_rounded(divisor: int) -> None:
    dist = _integers()
    for name, power in (("manhattan", 1), ("chebyshev", 1), ("sqeuclidean", 2)):
        got = ENGINE_METRICS[name].to_float(dist, divisor, 784)
        assert got.dtype == np.float64
        expected = [float(Fraction(int(d), divisor**power)) for d in dist]
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("n_features", [1, 3, 784, 150_528])
def test_a_share_of_the_features_is_correctly_rounded(n_features: int) -> None:
    dist = np.arange(n_features + 1)
    for divisor in (1, 255):
        got = ENGINE_METRICS["hamming"].to_float(dist, divisor, n_features)
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, [int(d) / n_features for d in dist])


def test_plain_euclidean_is_the_root() -> None:
    dist = _integers()
    got = ENGINE_METRICS["euclidean"].to_float(dist, 1, 784)
    np.testing.assert_array_equal(got, [math.sqrt(int(d)) for d in dist])


@pytest.mark.parametrize("name", ENGINE_METRICS)
@pytest.mark.parametrize("divisor", [1, 255])
def test_order_is_kept(name: str, divisor: int) -> None:
    dist = np.unique(_integers())
    assert (np.diff(ENGINE_METRICS[name].to_float(dist, divisor, 784)) > 0).all()


@pytest.mark.parametrize("n_features", [1, 7, 300])
@pytest.mark.parametrize("name", METRICS)
def test_the_largest_key_is_that_of_the_farthest_rows(name: str, n_features: int) -> None:
    """So every row is within an infinite radius, and within the largest distance."""
    metric = ENGINE_METRICS[name]
    rows = np.full((1, n_features), 255, np.uint8)
    dist, _ = Index(rows, name).search(np.zeros_like(rows), 1)
    assert metric.largest_key(n_features) == dist[0, 0]
    farthest = float(metric.to_float(dist, 1, n_features)[0, 0])
    assert metric.largest_key_within(math.inf, 1, n_features) == dist[0, 0]
    assert metric.largest_key_within(farthest, 1, n_features) == dist[0, 0]
    assert metric.largest_key_within(math.nextafter(farthest, 0), 1, n_features) == dist[0, 0] - 1


def test_the_names_in_the_table() -> None:
    assert set(METRICS) == {"sqeuclidean", "manhattan", "chebyshev", "hamming"}
    assert set(PRUNED_METRICS) == {"sqeuclidean", "manhattan"}
    for entry in ENGINE_METRICS.values():
        assert ENGINE_METRICS[entry.engine].engine == entry.engine, "the engine's metric is a name"
    names = {p: found.name for p in (1, 2, np.inf, 3, 0.5) if (found := minkowski(p))}
    assert names == {1: "manhattan", 2: "euclidean", np.inf: "chebyshev"}
