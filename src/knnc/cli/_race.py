"""knnc against scikit-learn: the same rows, the same queries, the same threads, in the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier as SklearnKNeighborsClassifier

from knnc import KNeighborsClassifier
from knnc.image import Shift

_N_NEIGHBORS = 5
# scikit-learn computes on floats and converts uint8 at every call, which only costs it time.
_SKLEARN_DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Race:
    """The result.

    Attributes
    ----------
    n_train, n_features, n_queries : int
        The size of the search.
    n_wrong : int
        Queries with a wrong label from knnc.
    n_ties : int
        Queries with different labels from the two, because of ties at the k-th distance:
        scikit-learn does not say which rows it takes.
    knnc_seconds, sklearn_seconds : float
        Median times of ``predict``, both warm.
    sklearn_dtype : str
        The dtype scikit-learn was fastest with.
    """

    n_train: int
    n_features: int
    n_queries: int
    n_wrong: int
    n_ties: int
    knnc_seconds: float
    sklearn_seconds: float
    sklearn_dtype: str

    @property
    def knnc_rate(self) -> float:
        """Queries a second."""
        return self.n_queries / self.knnc_seconds

    @property
    def sklearn_rate(self) -> float:
        """Queries a second."""
        return self.n_queries / self.sklearn_seconds

    @property
    def times_faster(self) -> float:
        """How many times the speed of scikit-learn."""
        return self.sklearn_seconds / self.knnc_seconds


def race(
    X: NDArray[np.uint8], y: NDArray[Any], queries: NDArray[np.uint8], truth: NDArray[Any]
) -> Race:
    """Compare the answers, then time ``predict`` of both with their defaults.

    Raises
    ------
    RuntimeError
        If the answers differ without a tie.
    """
    ours = KNeighborsClassifier(_N_NEIGHBORS).fit(X, y)
    theirs = {
        dtype: SklearnKNeighborsClassifier(_N_NEIGHBORS).fit(X.astype(dtype), y)
        for dtype in _SKLEARN_DTYPES
    }
    n_ties = _compare(ours, theirs["float64"], queries)
    knnc_seconds = _median_seconds(partial(ours.predict, queries))
    sklearn_seconds = {
        dtype: _median_seconds(partial(estimator.predict, queries.astype(dtype)))
        for dtype, estimator in theirs.items()
    }
    best = min(sklearn_seconds, key=sklearn_seconds.__getitem__)
    return Race(
        n_train=len(X),
        n_features=X.shape[1],
        n_queries=len(queries),
        n_wrong=int(np.count_nonzero(ours.predict(queries) != truth)),
        n_ties=n_ties,
        knnc_seconds=knnc_seconds,
        sklearn_seconds=sklearn_seconds[best],
        sklearn_dtype=best,
    )


def _compare(ours: Any, theirs: Any, queries: NDArray[np.uint8]) -> int:
    """Count labels that differ by a tie; raise a RuntimeError for any other difference."""
    k = ours.n_neighbors
    dist, _ = ours.kneighbors(queries, n_neighbors=k + 1)
    expected, _ = theirs.kneighbors(queries.astype(np.float64), n_neighbors=k + 1)
    if not np.allclose(dist, expected, rtol=1e-9, atol=0.0):
        raise RuntimeError("the distances found by knnc and by scikit-learn differ")
    differ = ours.predict(queries) != theirs.predict(queries.astype(np.float64))
    tied = dist[:, k - 1] == dist[:, k]
    if np.any(differ & ~tied):
        raise RuntimeError("the labels given by knnc and by scikit-learn differ without a tie")
    return int(np.count_nonzero(differ))


def _median_seconds(call: Callable[[], object]) -> float:
    """Median time of a warm call: 3 calls, or up to 25 while they take less than 0.2 s together."""
    call()
    times: list[float] = []
    while len(times) < 3 or (len(times) < 25 and sum(times) < 0.2):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return median(times)


def enlarged_and_shifted(
    images: NDArray[np.uint8], *, scale: int, side: int, reach: int
) -> NDArray[np.uint8]:
    """Every image enlarged, in a larger frame, at every shift up to ``reach``.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width)
    scale : int
        Each pixel becomes ``scale`` x ``scale`` pixels.
    side : int
        Height and width of the frame; it holds the enlarged image and its shifts.
    reach : int
        The largest shift, in pixels of the frame, up and down, left and right.

    Returns
    -------
    rows : ndarray of shape ((2 * reach + 1) ** 2 * n_images, side * side)
        All images at the first shift, then all at the second, and so on.
    """
    large = images.repeat(scale, axis=1).repeat(scale, axis=2)
    n_images, height, width = large.shape
    top, left = (side - height) // 2, (side - width) // 2
    framed = np.zeros((n_images, side, side), dtype=np.uint8)
    framed[:, top : top + height, left : left + width] = large
    rows, steps = framed.reshape(n_images, -1), range(-reach, reach + 1)
    return np.concatenate([Shift(y, x).fit_transform(rows) for y in steps for x in steps])
