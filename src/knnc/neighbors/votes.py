"""From the neighbours' targets to a label, to probabilities or to a mean, for all queries at once.

The answers are scikit-learn's to the last bit: ties go to the smaller class, and the weights of a
class are added up in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc import _compat

__all__ = ["Ballots", "ballots_of", "mean_targets", "most_voted", "most_voted_of_first", "named"]
__all__ += ["vote_shares"]

Codes = NDArray[np.intp]
Float64 = NDArray[np.float64]

# Counters at a time: they stay in the cache, whatever the numbers of queries and classes.
_CHUNK = 1 << 17


@dataclass(frozen=True)
class Ballots:
    """What the neighbours of each query vote for.

    Attributes
    ----------
    codes : ndarray of shape (n_queries, k, n_outputs), intp
        Class codes of the neighbours, nearest first.
    weights : ndarray of shape (n_queries, k), float64, or None
        None counts each neighbour as one.
    classes : sequence of ndarray
        The labels of each output.
    several : bool
        Whether answers have an axis, or an entry in a list, for each output.
    """

    codes: Codes
    weights: Float64 | None
    classes: Sequence[NDArray[Any]]
    several: bool

    def labels(self) -> NDArray[Any]:
        """What a classifier predicts."""
        winners = [
            most_voted(self.codes[:, :, output], len(names), self.weights)
            for output, names in enumerate(self.classes)
        ]
        return named(winners, self.classes, several=self.several)

    def shares(self) -> Any:
        """The probabilities of the classes: an array, or a list of one for each output."""
        shares = [
            vote_shares(self.codes[:, :, output], len(names), self.weights)
            for output, names in enumerate(self.classes)
        ]
        return shares if self.several else shares[0]


def ballots_of(
    codes: Codes, dist: Float64 | None, weights: Any, classes: Any, *, several: bool
) -> Ballots:
    """The votes of neighbours whose class codes and distances are known.

    Parameters
    ----------
    codes : ndarray of shape (n_queries, k), or (n_queries, k, n_outputs) if `several`, intp
    dist : ndarray of shape (n_queries, k), float64, or None
        None will do with uniform weights.
    weights : "uniform", "distance", callable or None
        An estimator's parameter.
    classes : ndarray, or a list of one for each output
        An estimator's `classes_`.
    several : bool
        An estimator's `outputs_2d_`.

    Raises
    ------
    ValueError
        If all weights of some query's neighbours are zero.
    """
    votes = _compat.neighbor_weights(dist, weights)
    if votes is not None:
        if _compat.all_zero_rows(votes):
            raise ValueError(
                "All neighbors of some sample is getting zero weights. Please modify 'weights' "
                "to avoid this case if you are using a user-defined function."
            )
        votes = np.broadcast_to(np.asarray(votes, dtype=np.float64), codes.shape[:2])
    by_output = codes[:, :, np.newaxis] if codes.ndim == 2 else codes
    return Ballots(by_output, votes, classes if several else [classes], several)


def named(
    winners: Sequence[Codes], classes: Sequence[NDArray[Any]], *, several: bool
) -> NDArray[Any]:
    """The labels of the winning class codes of each output."""
    labels = np.empty((len(winners[0]), len(winners)), dtype=classes[0].dtype)
    for output, names in enumerate(classes):
        labels[:, output] = names.take(winners[output])
    return labels if several else labels.ravel()


def mean_targets(targets: NDArray[Any], dist: Float64 | None, weights: Any) -> NDArray[Any]:
    """What a regressor predicts from its neighbours' targets and distances.

    Parameters
    ----------
    targets : ndarray of shape (n_queries, k) or (n_queries, k, n_outputs)
    dist, weights
        As for :func:`ballots_of`.

    Returns
    -------
    means : ndarray of shape (n_queries,) or (n_queries, n_outputs)
        NaN where the weights add up to zero.
    """
    by_output = targets[:, :, np.newaxis] if targets.ndim == 2 else targets
    factors = _compat.neighbor_weights(dist, weights)
    if factors is None:
        means: NDArray[Any] = np.mean(by_output, axis=1)
    else:
        means = np.empty((len(by_output), by_output.shape[2]), dtype=np.float64)
        total = np.sum(factors, axis=1)
        for output in range(by_output.shape[2]):
            column = np.ascontiguousarray(by_output[:, :, output])
            means[:, output] = np.sum(column * factors, axis=1) / total
    return means.ravel() if targets.ndim == 2 else means


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


def most_voted_of_first(
    codes: Codes, n_classes: int, ks: Sequence[int], weights: Float64 | None = None
) -> Codes:
    """The class with the most votes among the first k neighbours, for each of several k.

    Parameters
    ----------
    codes, n_classes, weights
        As for :func:`most_voted`; the weights finite and not negative.
    ks : sequence of int
        From 1 to the number of columns of `codes`.

    Returns
    -------
    winners : ndarray of shape (len(ks), n_queries), intp
        Row i is ``most_voted(codes[:, :ks[i]], n_classes, weights[:, :ks[i]])``.

    Notes
    -----
    Votes are added up neighbour by neighbour, once for all k. :func:`most_voted` adds in another
    order; either sum of k floats is off by less than k * 2**-53 of itself. So a winner is final
    only if no other class comes within eight times as much of it, and the rest, all ties among
    them, are voted on again.
    """
    n_queries, k = codes.shape
    winners = np.empty((len(ks), n_queries), dtype=np.intp)
    margin = 1.0 - 4.0 * k * np.finfo(np.float64).eps
    for part in _parts(n_queries, max(min(n_classes, k), k)):
        mine = codes[part]
        slots = mine if n_classes <= k else _first_of_class(mine)
        rows = np.arange(len(mine))
        totals = np.zeros((len(mine), min(n_classes, k)))
        for column in range(max(ks)):
            totals[rows, slots[:, column]] += 1.0 if weights is None else weights[part, column]
            for place in (i for i, wanted in enumerate(ks) if wanted == column + 1):
                slot = totals.argmax(axis=1)
                best = totals[rows, slot]
                rivals = (totals >= (margin * best)[:, np.newaxis]).sum(axis=1)
                found = slot if n_classes <= k else mine[rows, slot]
                again = np.flatnonzero((rivals > 1) | (best == 0.0) | ~np.isfinite(best))
                votes = None if weights is None else weights[part][again, : column + 1]
                found[again] = most_voted(mine[again, : column + 1], n_classes, votes)
                winners[place, part] = found
    return winners


def _first_of_class(codes: Codes) -> Codes:
    """For each neighbour the column of the first one of its class."""
    first = np.zeros_like(codes)
    seen = np.zeros(codes.shape, dtype=np.bool_)
    for column in range(codes.shape[1]):
        new = (codes == codes[:, column : column + 1]) & ~seen
        first[new] = column
        seen |= new
    return first


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
