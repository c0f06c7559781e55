"""Which of scikit-learn's metrics the integer engine computes, and how its integers become floats.

This table is the one place to extend when the engine learns a metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.index import PRUNED_METRICS

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


def _linear(dist: Int64, divisor: int, _n_features: int) -> Float64:
    return dist / np.float64(divisor)


def _square(dist: Int64, divisor: int, _n_features: int) -> Float64:
    return dist / np.float64(divisor * divisor)


def _share(dist: Int64, _divisor: int, n_features: int) -> Float64:
    return dist / np.float64(n_features)


def _root(dist: Int64, divisor: int, _n_features: int) -> Float64:
    root = np.sqrt(dist)
    return root if divisor == 1 else _corrected_quotient(dist, root, float(divisor))


def _corrected_quotient(dist: Int64, root: Float64, divisor: float) -> Float64:
    """sqrt(dist) / divisor as if rounded once.

    The root and the quotient each round; what they lose is small and is computed without error:
    root * root and divisor * quotient, with one factor split in two halves, are sums of exact
    products. The sum of quotient and correction is then the only rounding that matters: the
    correction itself is good to some 50 bits below the last one of the result.
    """
    high = _upper_half(root)
    low = root - high
    lost_by_root = ((dist - high * high) - 2.0 * high * low) - low * low
    quotient = root / divisor
    high = _upper_half(quotient)
    lost_by_quotient = (root - divisor * high) - divisor * (quotient - high)
    twice = np.where(root > 0.0, 2.0 * root, 1.0)
    return quotient + (lost_by_quotient + lost_by_root / twice) / divisor


def _upper_half(x: Float64) -> Float64:
    """x with its lower 27 bits zeroed, so that a product of two such halves is exact."""
    return (x.view(np.uint64) & np.uint64(0xFFFFFFFFF8000000)).view(np.float64)


@dataclass(frozen=True)
class EngineMetric:
    """A metric of the integer engine under one of its names in scikit-learn.

    Attributes
    ----------
    name : str
        scikit-learn's usual name of it.
    engine : str
        The metric that the index computes.
    to_float : callable
        ``to_float(dist, divisor, n_features)``: int64 distances between bytes into float64
        distances between the numbers that the bytes stand for, byte / divisor. One rounding, and
        monotonic.
    """

    name: str
    engine: str
    to_float: Callable[[Int64, int, int], Float64]

    @property
    def can_be_pruned(self) -> bool:
        """Whether short codes bound it, so that a pruned search can be asked for."""
        return self.engine in PRUNED_METRICS


_EUCLIDEAN = EngineMetric("euclidean", "sqeuclidean", _root)
_MANHATTAN = EngineMetric("manhattan", "manhattan", _linear)

ENGINE_METRICS: Mapping[str, EngineMetric] = {
    "euclidean": _EUCLIDEAN,
    "l2": _EUCLIDEAN,
    "sqeuclidean": EngineMetric("sqeuclidean", "sqeuclidean", _square),
    "manhattan": _MANHATTAN,
    "l1": _MANHATTAN,
    "cityblock": _MANHATTAN,
    "chebyshev": EngineMetric("chebyshev", "chebyshev", _linear),
    "hamming": EngineMetric("hamming", "hamming", _share),
}

_MINKOWSKI = {1.0: "manhattan", 2.0: "euclidean", np.inf: "chebyshev"}


def engine_metric(
    metric: object, p: float | None = 2, metric_params: Mapping[str, Any] | None = None
) -> EngineMetric | None:
    """The engine's metric for an estimator's three parameters, or None if it has none.

    Parameters
    ----------
    metric : str, callable or DistanceMetric
    p : float or None
        Counts for "minkowski" only, and less than a p among `metric_params`, as in scikit-learn.
    metric_params : dict or None
        Anything but p in it, such as weights, is for scikit-learn.
    """
    if not isinstance(metric, str):
        return None
    params = dict(metric_params or {})
    if metric == "minkowski":
        p = params.pop("p", p)
        if params.pop("w", None) is not None or not isinstance(p, Real):
            return None
        metric = _MINKOWSKI.get(float(p), "")
    return None if params else ENGINE_METRICS.get(metric)
