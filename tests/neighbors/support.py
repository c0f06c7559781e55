"""What the estimators' tests share: made-up data, the oracle in floats, scikit-learn beside us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sklearn.neighbors

import knnc
from tests.oracle import oracle_kneighbors

METRICS = {
    "euclidean": "sqeuclidean",
    "sqeuclidean": "sqeuclidean",
    "manhattan": "manhattan",
    "chebyshev": "chebyshev",
    "hamming": "hamming",
}
TWINS = {
    knnc.KNeighborsClassifier: sklearn.neighbors.KNeighborsClassifier,
    knnc.KNeighborsRegressor: sklearn.neighbors.KNeighborsRegressor,
    knnc.KNeighborsTransformer: sklearn.neighbors.KNeighborsTransformer,
    knnc.LocalOutlierFactor: sklearn.neighbors.LocalOutlierFactor,
    knnc.NearestNeighbors: sklearn.neighbors.NearestNeighbors,
    knnc.RadiusNeighborsClassifier: sklearn.neighbors.RadiusNeighborsClassifier,
    knnc.RadiusNeighborsRegressor: sklearn.neighbors.RadiusNeighborsRegressor,
    knnc.RadiusNeighborsTransformer: sklearn.neighbors.RadiusNeighborsTransformer,
}


def few_values(seed: int, n: int, d: int, top: int = 4) -> npt.NDArray[np.uint8]:
    """(n, d) bytes below `top`: full of ties and duplicates."""
    return np.random.default_rng(seed).integers(0, top, (n, d), dtype=np.uint8)


def any_bytes(seed: int, n: int, d: int) -> npt.NDArray[np.uint8]:
    """(n, d) bytes of every value."""
    return few_values(seed, n, d, 256)


def oracle(
    rows: npt.NDArray[np.uint8], queries: npt.NDArray[np.uint8] | None, k: int, metric: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """The oracle's answer as ``kneighbors`` returns it, for bytes that stand for themselves."""
    dist, ind = oracle_kneighbors(rows, queries, k, METRICS[metric])
    if metric == "hamming":
        return dist / rows.shape[1], ind
    return (np.sqrt(dist) if metric == "euclidean" else dist.astype(np.float64)), ind


def assert_same(answer: Any, expected: Any) -> None:
    """(dist, ind) equal to the last bit, of the dtypes that ``kneighbors`` promises."""
    dist, ind = answer
    assert dist.dtype == np.float64
    assert ind.dtype == np.intp
    np.testing.assert_array_equal(ind, expected[1], strict=True)
    np.testing.assert_array_equal(dist, expected[0], strict=True)


class Outcome(NamedTuple):
    """What a call came to: an error's type and text, or a value."""

    error: type[BaseException] | None
    text: str
    value: Any


def outcome(call: Callable[[], Any]) -> Outcome:
    """Call, and say what it came to."""
    try:
        return Outcome(None, "", call())
    except Exception as error:  # each test compares it with what scikit-learn raises
        return Outcome(type(error), str(error), None)


def assert_same_error(ours: Callable[[], Any], theirs: Callable[[], Any]) -> Outcome:
    """Both raise, the same type with the same words."""
    expected, got = outcome(theirs), outcome(ours)
    assert expected.error is not None, f"scikit-learn returned {expected.value!r}"
    assert got.error is not None, f"no error; scikit-learn raises {expected[:2]}"
    assert (got.error, got.text) == (expected.error, expected.text)
    return got


def twins(cls: type = knnc.NearestNeighbors, **parameters: Any) -> tuple[Any, Any]:
    """Our estimator and scikit-learn's, with the same parameters."""
    return cls(**parameters), TWINS[cls](**parameters)
