"""The table of metrics. To add a metric, add an entry to `_TABLE` and its kernels.

The engine compares keys, which are int64. Between byte rows a key is an exact integer: the sum of
squares, the sum of absolute differences, the largest difference, or the number of features that
differ. :class:`EngineMetric` says how a key becomes the distance that an estimator returns, and how
a radius becomes the largest key within it. Between float rows a key is the bits of a non-negative
float64, which sort as it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knnc.engine.floats import FloatMode

__all__ = [
    "ENGINE_METRICS",
    "FLOAT_METRICS",
    "METRICS",
    "PRUNED_FLOAT_METRICS",
    "PRUNED_METRICS",
    "EngineMetric",
    "largest_within",
    "minkowski",
]

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

# The largest difference between two bytes.
_MOST = 255
# Keys converted at once to find the largest within a radius: five rounds for MNIST.
_ASKED = 64


def _itself(values: Float64, _n_features: int) -> Float64:
    return values


def _root_of_float(values: Float64, _n_features: int) -> Float64:
    return np.sqrt(values)


def _share_of_float(values: Float64, n_features: int) -> Float64:
    return values / n_features


def _half(values: Float64, _n_features: int) -> Float64:
    return values / 2


def _linear(keys: Int64, divisor: int, _n_features: int) -> Float64:
    return keys / np.float64(divisor)


def _square(keys: Int64, divisor: int, _n_features: int) -> Float64:
    return keys / np.float64(divisor * divisor)


def _share(keys: Int64, _divisor: int, n_features: int) -> Float64:
    return keys / np.float64(n_features)


def _root(keys: Int64, divisor: int, _n_features: int) -> Float64:
    root = np.sqrt(keys)
    return root if divisor == 1 else _corrected_quotient(keys, root, float(divisor))


def _corrected_quotient(keys: Int64, root: Float64, divisor: float) -> Float64:
    """sqrt(keys) / divisor as if rounded once.

    The root and the quotient each round. Both rounding errors are small and are computed exactly:
    root * root and divisor * quotient, with one factor split in two halves, are sums of exact
    products. The sum of the quotient and its correction is then the only rounding that matters:
    the correction is good to some 50 bits below the last bit of the result.
    """
    high = _upper_half(root)
    low = root - high
    lost_by_root = ((keys - high * high) - 2.0 * high * low) - low * low
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
    """A metric that the engine computes.

    Attributes
    ----------
    name : str
        scikit-learn's usual name for it.
    engine : str
        The metric of the index and of its kernels. Euclidean and squared Euclidean distance share
        one. It is itself the name of an entry.
    to_float : callable
        ``to_float(keys, divisor, n_features)`` turns keys between bytes into float64 distances
        between the numbers byte / divisor. It rounds once and never descends.
    largest_key : callable
        ``largest_key(n_features)`` is the largest key between byte rows.
    code_norm : {"l2", "l1"} or None
        The norm in which codes bound the metric. None: no codes bound it, so that it cannot be
        pruned.
    float_to_float : callable
        ``float_to_float(values, n_features)`` turns the values that the keys of float rows are the
        bits of into distances. It never descends.
    p : float or None
        The `p` for which Minkowski distance is this metric.
    aliases : tuple of str
        scikit-learn's other names for it.
    """

    name: str
    engine: str
    to_float: Callable[[Int64, int, int], Float64]
    largest_key: Callable[[int], int]
    code_norm: Literal["l2", "l1"] | None = None
    float_to_float: Callable[[Float64, int], Float64] = _itself
    p: float | None = None
    aliases: tuple[str, ...] = ()

    def float_distances(self, keys: Int64, n_features: int) -> Float64:
        """Distances between float rows, from their keys."""
        with FloatMode():
            return self.float_to_float(keys.view(np.float64), n_features)

    def byte_distances(self, keys: Int64, divisor: int, n_features: int) -> Float64:
        """Distances between byte rows, from their keys, as `to_float`."""
        with FloatMode():
            return self.to_float(keys, divisor, n_features)

    def largest_float_key_within(self, radius: float, n_features: int) -> int:
        """The largest key between float rows whose distance is at most a radius; -1 if none is."""
        passes, fails = -1, int(np.float64(np.inf).view(np.int64)) + 1
        with FloatMode():
            while fails - passes > 1:
                asked = (passes + fails) // 2
                is_within = self.float_distances(np.array([asked]), n_features)[0] <= radius
                passes, fails = (asked, fails) if is_within else (passes, asked)
        return passes

    @property
    def can_be_pruned(self) -> bool:
        """Whether codes bound it, so that algorithm="pruned" is possible."""
        return self.code_norm is not None

    def largest_key_within(self, radius: float, divisor: int, n_features: int) -> int:
        """The largest key whose distance is at most a radius; -1 if there is none.

        `divisor` and `n_features` are those of `to_float`. So a row is within the radius if and
        only if the distance that is returned for it is at most the radius.
        """
        return largest_within(
            lambda keys: self.byte_distances(keys, divisor, n_features),
            radius,
            self.largest_key(n_features),
        )


_TABLE = (
    EngineMetric(
        "euclidean",
        engine="sqeuclidean",
        to_float=_root,
        float_to_float=_root_of_float,
        largest_key=lambda n_features: n_features * _MOST**2,
        code_norm="l2",
        p=2.0,
        aliases=("l2",),
    ),
    EngineMetric(
        "sqeuclidean",
        engine="sqeuclidean",
        to_float=_square,
        largest_key=lambda n_features: n_features * _MOST**2,
        code_norm="l2",
    ),
    EngineMetric(
        "manhattan",
        engine="manhattan",
        to_float=_linear,
        largest_key=lambda n_features: n_features * _MOST,
        code_norm="l1",
        p=1.0,
        aliases=("l1", "cityblock"),
    ),
    EngineMetric(
        "chebyshev",
        engine="chebyshev",
        to_float=_linear,
        largest_key=lambda _n_features: _MOST,
        p=np.inf,
    ),
    EngineMetric(
        "hamming",
        engine="hamming",
        to_float=_share,
        float_to_float=_share_of_float,
        largest_key=lambda n_features: n_features,
    ),
)

# Every name and alias, and its entry.
ENGINE_METRICS: Mapping[str, EngineMetric] = {
    name: entry for entry in _TABLE for name in (entry.name, *entry.aliases)
}
# Those of float rows. Byte rows have no keys of cosine distance: they are compared as floats.
FLOAT_METRICS: Mapping[str, EngineMetric] = {
    **ENGINE_METRICS,
    "cosine": EngineMetric(
        "cosine",
        engine="cosine",
        to_float=_linear,
        largest_key=lambda _n_features: -1,
        code_norm="l2",
        float_to_float=_half,
    ),
}
# The metrics of an index, and those of them that can be pruned.
METRICS = tuple(dict.fromkeys(entry.engine for entry in _TABLE))
PRUNED_METRICS = tuple(name for name in METRICS if ENGINE_METRICS[name].can_be_pruned)
PRUNED_FLOAT_METRICS = (*PRUNED_METRICS, "cosine")


def minkowski(p: float) -> EngineMetric | None:
    """The metric that Minkowski distance is for a `p`, or None if the engine has none."""
    return next((entry for entry in _TABLE if entry.p == p), None)


def largest_within(to_float: Callable[[Int64], Float64], radius: float, largest: int) -> int:
    """The largest key, from 0 to `largest`, whose distance is at most a radius.

    Parameters
    ----------
    to_float : callable
        Turns int64 keys into float64 distances; it never descends.
    radius : float
        All keys are within infinity, and none within NaN.
    largest : int

    Returns
    -------
    limit : int
        -1 if not even key 0 is within the radius.
    """
    passes, fails = -1, largest + 1
    while fails - passes > 1:
        asked = np.unique(np.linspace(passes, fails, _ASKED + 2).astype(np.int64)[1:-1])
        asked = asked[(passes < asked) & (asked < fails)]
        with FloatMode():
            n_passing = int(np.count_nonzero(to_float(asked) <= radius))
        if n_passing:
            passes = int(asked[n_passing - 1])
        if n_passing < len(asked):
            fails = int(asked[n_passing])
    return passes
