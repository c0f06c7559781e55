"""What a search found: pairs of (distance, row index), and the targets of these rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.neighbors.metrics import ENGINE_METRICS
from knnc.neighbors.votes import ballots_of, mean_targets

__all__ = [
    "Found",
    "distances",
    "exact_distances",
    "indices",
    "merge",
    "predicted",
    "without_self",
]

Int64 = NDArray[np.int64]
# Distances, row indices and, for an estimator with targets, the targets of these rows.
Found = tuple[Int64, Int64, NDArray[Any] | None]


def merge(k: int, *parts: Found) -> Found:
    """The k smallest (distance, row index) of several answers.

    They are arguments, not a list, of which `dask.delayed` keeps the graphs only: futures in them,
    of chunks that workers hold, would be forgotten with the estimator.
    """
    dist = np.concatenate([part[0] for part in parts], axis=1)
    ind = np.concatenate([part[1] for part in parts], axis=1)
    order = np.lexsort((ind, dist), axis=1)[:, :k]
    targets = None
    if parts[0][2] is not None:
        targets = np.concatenate([part[2] for part in parts], axis=1)
        targets = targets[np.arange(len(order))[:, np.newaxis], order]
    return np.take_along_axis(dist, order, axis=1), np.take_along_axis(ind, order, axis=1), targets


def without_self(found: Found, first: int, k: int) -> Found:
    """Of k + 1 neighbours of the rows from `first` on the k that are not a row itself."""
    dist, ind, targets = found
    own = ind == np.arange(first, first + len(ind))[:, np.newaxis]
    own[~own.any(axis=1), -1] = True
    kept = ~own
    shape = len(ind), k
    if targets is not None:
        targets = targets[kept].reshape(*shape, *targets.shape[2:])
    return dist[kept].reshape(shape), ind[kept].reshape(shape), targets


def distances(found: Found, metric: str, n_features: int) -> NDArray[np.float64]:
    """The distances, as :class:`knnc.NearestNeighbors` returns them."""
    return ENGINE_METRICS[metric].to_float(found[0], 1, n_features)


def exact_distances(found: Found) -> Int64:
    """The integers that distances are computed from."""
    return found[0]


def indices(found: Found) -> NDArray[np.intp]:
    """The row indices."""
    return found[1].astype(np.intp, copy=False)


def predicted(
    found: Found, method: str, weights: Any, classes: Any, metric: str, n_features: int
) -> Any:
    """What an estimator of knnc itself makes of these neighbours."""
    targets = found[2]
    assert targets is not None
    known = distances(found, metric, n_features)
    if classes is None:
        return mean_targets(targets, known, weights)
    several = targets.ndim == 3
    outputs = np.moveaxis(targets, 2, 0) if several else [targets]
    codes = [np.searchsorted(names, labels) for names, labels in zip(classes, outputs, strict=True)]
    ballots = ballots_of(
        np.stack(codes, axis=2) if several else codes[0],
        known,
        weights,
        classes if several else classes[0],
        several=several,
    )
    return ballots.labels() if method == "predict" else ballots.shares()
