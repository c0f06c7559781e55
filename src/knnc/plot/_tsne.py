"""t-SNE of a graph of neighbours, watched while it descends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from knnc.engine.system.progress import current
from knnc.neighbors import KNeighborsTransformer

__all__ = ["embed", "first_guess"]

Watch = Callable[[int, NDArray[np.float32]], object]

# The spread that TSNE itself gives to what it starts from.
_SPREAD = 1e-4


class _Watched(np.ndarray[Any, Any]):
    """An array that says when something was added to it in place.

    :class:`sklearn.manifold.TSNE` has no callback, but takes the array to start from, copies it
    and adds each step to the copy. So the array it is given watches: nothing private is needed,
    the result is that of TSNE to the last bit, and should a later version descend otherwise, there
    is nothing to see on the way.
    """

    watch: Callable[[NDArray[Any]], object] | None = None

    def copy(self, order: Any = "C") -> Self:
        return self._handed_on(super().copy(order))

    def ravel(self, order: Any = "C") -> Self:
        return self._handed_on(super().ravel(order))

    def _handed_on(self, other: Any) -> Self:
        # Not in __array_finalize__: what is computed from the array is not the array.
        watched: Self = other
        watched.watch = self.watch
        return watched

    def __iadd__(self, step: Any) -> Self:  # type: ignore[misc]
        result = super().__iadd__(step)
        if self.watch is not None:
            self.watch(np.asarray(self))
        return result


def first_guess(X: NDArray[Any], random_state: int | None) -> NDArray[np.float32]:
    """Rows on a plane, to start from: their first two principal components, or noise."""
    n_samples, n_features = X.shape
    if n_features > 1 and np.ptp(X, axis=0).any():
        pca = PCA(
            2, svd_solver="randomized" if n_features > 2 else "full", random_state=random_state
        )
        plane = pca.fit_transform(X.astype(np.float32))
        scaled = plane * (_SPREAD / plane[:, 0].std())
        return np.ascontiguousarray(scaled, dtype=np.float32)
    noise = np.random.default_rng(random_state).standard_normal((n_samples, 2))
    return (_SPREAD * noise).astype(np.float32)


def embed(
    X: NDArray[Any],
    *,
    metric: str,
    metric_params: dict[str, Any] | None = None,
    perplexity: float,
    max_iter: int,
    random_state: int | None,
    watch: Watch | None = None,
) -> tuple[NDArray[np.float32], float]:
    """Embed rows in the plane by knnc's graph of their neighbours.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    metric : str
    metric_params : dict, default=None
        Of the neighbours.
    perplexity, max_iter
        As :class:`sklearn.manifold.TSNE` takes them.
    random_state : int or None
        For what it starts from.
    watch : callable, default=None
        Called as ``watch(iteration, positions)`` after each iteration, with a view of what is
        still changed. :func:`knnc.progress` is told of each as well.

    Returns
    -------
    embedding : ndarray of shape (n_samples, 2), dtype float32
    kl_divergence : float
        What was left at the end.
    """
    if not 0 < perplexity < len(X):
        raise ValueError(
            f"perplexity must be more than 0 and less than the number of rows, {len(X)}, "
            f"got {perplexity!r}"
        )
    # As many as TSNE asks the graph for; the transformer adds the row itself.
    n_neighbors = min(len(X) - 1, int(3.0 * perplexity + 1))
    params = dict(metric_params or {})
    p = params.pop("p", 2)
    graph = KNeighborsTransformer(
        n_neighbors=n_neighbors, metric=metric, p=p, metric_params=params or None
    ).fit_transform(X)
    start = first_guess(X, random_state)
    report, done = current(), 0

    def step(positions: NDArray[Any]) -> None:
        nonlocal done
        done += 1
        if watch is not None:
            watch(done, positions.reshape(-1, 2))
        if report is not None:
            report(done, max_iter)

    watched = start.view(_Watched)
    watched.watch = step
    tsne = TSNE(
        metric="precomputed",
        init=watched,
        perplexity=perplexity,
        max_iter=max_iter,
        random_state=random_state,
    )
    embedding = np.array(np.asarray(tsne.fit_transform(graph)), dtype=np.float32)
    return embedding, float(tsne.kl_divergence_)
