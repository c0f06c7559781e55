"""What a search found: pairs of (distance, row index), and the targets of these rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knnc.neighbors.metrics import FLOAT_METRICS
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


class Found(NamedTuple):
    """Neighbours of a block of queries.

    Attributes
    ----------
    keys, ind : ndarray of shape (n_queries, k), int64
        Keys of distances, and indices of rows.
    targets : ndarray or None
        For an estimator with targets, those of these rows.
    as_floats : ndarray of shape (n_queries,), bool
        Which queries were compared as floats: a query's keys are of one kind, in all chunks.
    """

    keys: Int64
    ind: Int64
    targets: NDArray[Any] | None
    as_floats: NDArray[np.bool_]


def merge(k: int, *parts: Found) -> Found:
    """The k smallest (distance, row index) of several answers.

    They are arguments, not a list, of which `dask.delayed` keeps the graphs only: futures in them,
    of chunks that workers hold, would be forgotten with the estimator.
    """
    keys = np.concatenate([part.keys for part in parts], axis=1)
    ind = np.concatenate([part.ind for part in parts], axis=1)
    order = np.lexsort((ind, keys), axis=1)[:, :k]
    targets = None
    if parts[0].targets is not None:
        targets = np.concatenate([part.targets for part in parts], axis=1)
        targets = targets[np.arange(len(order))[:, np.newaxis], order]
    keys, ind = np.take_along_axis(keys, order, axis=1), np.take_along_axis(ind, order, axis=1)
    return Found(keys, ind, targets, parts[0].as_floats)


def without_self(found: Found, first: int, k: int) -> Found:
    """Of k + 1 neighbours of the rows from `first` on the k that are not a row itself."""
    keys, ind, targets, as_floats = found
    own = ind == np.arange(first, first + len(ind))[:, np.newaxis]
    own[~own.any(axis=1), -1] = True
    kept = ~own
    shape = len(ind), k
    if targets is not None:
        targets = targets[kept].reshape(*shape, *targets.shape[2:])
    return Found(keys[kept].reshape(shape), ind[kept].reshape(shape), targets, as_floats)


def distances(found: Found, metric: str, divisor: int, n_features: int) -> NDArray[np.float64]:
    """The distances, as :class:`knnc.NearestNeighbors` returns them."""
    of, as_floats = FLOAT_METRICS[metric], found.as_floats
    dist = of.byte_distances(found.keys, divisor, n_features)
    dist[as_floats] = of.float_distances(found.keys[as_floats], n_features)
    return dist


def exact_distances(found: Found) -> Int64:
    """The integers that distances are computed from."""
    if n_floats := int(found.as_floats.sum()):
        raise ValueError(
            f"return_distance='exact' needs queries that are bytes under the encoding that fit "
            f"chose; {n_floats} of {len(found.as_floats)} are not."
        )
    return found.keys


def indices(found: Found) -> NDArray[np.intp]:
    """The row indices."""
    return found.ind.astype(np.intp, copy=False)


def predicted(
    found: Found,
    method: str,
    weights: Any,
    classes: Any,
    metric: str,
    divisor: int,
    n_features: int,
) -> Any:
    """What an estimator of knnc itself makes of these neighbours."""
    targets = found.targets
    assert targets is not None
    known = distances(found, metric, divisor, n_features)
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
