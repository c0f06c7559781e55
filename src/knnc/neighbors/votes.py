"""From the neighbours' labels to a label or to probabilities, for all queries at once.

The answers are scikit-learn's to the last bit: ties go to the smaller class, and the weights of a
class are added up in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["most_voted", "vote_shares"]

Codes = NDArray[np.intp]
Float64 = NDArray[np.float64]

# Counters at a time: they stay in the cache, whatever the numbers of queries and classes.
_CHUNK = 1 << 17


def most_voted(codes: Codes, n_classes: int, weights: Float64 | None = None) -> Codes:
    """The class with the most votes.

    Parameters
    ----------
    codes : ndarray of shape (n_queries, k), intp
        Class codes, 0 <= code < n_classes, of the neighbours, nearest first.
    n_classes : int
    weights : ndarray of shape (n_queries, k), float64, or None
        None counts each neighbour as one.

    Returns
    -------
    winners : ndarray of shape (n_queries,), intp
        Of several classes with the most votes the smallest code. Where no class has more than
        nothing (negative weights), 0.
    """
    n_queries, k = codes.shape
    winners = np.empty(n_queries, dtype=np.intp)
    if weights is None:
        count = _by_counting if n_classes <= 16 * k else _by_sorting
        for part in _parts(n_queries, max(n_classes, k) if count is _by_counting else k):
            winners[part] = count(codes[part], n_classes)
        return winners
    by_neighbor = k <= n_classes
    for part in _parts(n_queries, k * k if by_neighbor else k):
        if by_neighbor and np.isfinite(weights[part]).all():
            winners[part] = _heaviest_by_neighbor(codes[part], weights[part])
        else:
            winners[part] = _heaviest_by_class(codes[part], weights[part])
    return winners


def vote_shares(codes: Codes, n_classes: int, weights: Float64 | None = None) -> Float64:
    """Each class's share of the votes.

    Parameters
    ----------
    codes, n_classes, weights
        As for :func:`most_voted`.

    Returns
    -------
    shares : ndarray of shape (n_queries, n_classes), float64
        The rows sum to 1.
    """
    n_queries, k = codes.shape
    shares = np.empty((n_queries, n_classes))
    for part in _parts(n_queries, max(n_classes, k)):
        shares[part] = _totals(codes[part], n_classes, None if weights is None else weights[part])
        shares[part] /= shares[part].sum(axis=1)[:, np.newaxis]
    return shares


def _parts(n_queries: int, per_query: int) -> Iterator[slice]:
    step = max(1, _CHUNK // per_query)
    return (slice(start, start + step) for start in range(0, n_queries, step))


def _totals(codes: Codes, n_classes: int, weights: Float64 | None) -> NDArray[np.number]:
    """Votes of shape (n_queries, n_classes), added up in the order of the neighbours."""
    n_queries = len(codes)
    cells = (codes + n_classes * np.arange(n_queries)[:, np.newaxis]).ravel()
    counted = np.bincount(
        cells, None if weights is None else weights.ravel(), minlength=n_queries * n_classes
    )
    return counted.reshape(n_queries, n_classes)


def _by_counting(codes: Codes, n_classes: int) -> Codes:
    winners: Codes = _totals(codes, n_classes, None).argmax(axis=1)
    return winners


def _by_sorting(codes: Codes, n_classes: int) -> Codes:
    """The longest run of a sorted row; the first of the longest has the smallest code."""
    ordered = np.sort(codes, axis=1)
    place = np.arange(codes.shape[1])
    starts = np.ones(codes.shape, dtype=np.bool_)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    run_start = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    longest = (place - run_start).argmax(axis=1)
    winners: Codes = np.take_along_axis(ordered, longest[:, np.newaxis], axis=1)[:, 0]
    return winners


def _heaviest_by_neighbor(codes: Codes, weights: Float64) -> Codes:
    """The winner by the total weight of each neighbour's class; finite weights, any classes."""
    same = codes[:, :, np.newaxis] == codes[:, np.newaxis, :]
    totals = np.where(same, weights[:, np.newaxis, :], 0.0).sum(axis=2)
    best = totals.max(axis=1, keepdims=True)
    beaten = np.iinfo(np.intp).max
    winners: Codes = np.where((totals == best) & (best > 0.0), codes, beaten).min(axis=1)
    winners[winners == beaten] = 0
    return winners


def _heaviest_by_class(codes: Codes, weights: Float64) -> Codes:
    """The winner by a pass over the classes, with scikit-learn's way with inf and NaN."""
    winners = np.zeros(len(codes), dtype=np.intp)
    best = np.zeros(len(codes))
    for code in np.unique(codes):
        total = np.where(codes == code, weights, 0.0).sum(axis=1)
        winners[total > best] = code
        best = np.maximum(total, best)
    return winners
