"""How sure a reading is: votes, and the distance to the nearest training images.

An image that is no digit at all may have neighbours that agree. It is far from them, though:
farther than training images are from each other. The scale of "far" comes from the training rows
that a fitted estimator holds, each searched without itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

__all__ = ["SURE", "Reference", "nearest_distance", "reference_of"]

Floats = NDArray[np.float64]

# Readings with a lower confidence become "?". The confidence is scaled so that this share of the
# training images, each read without itself, is below it.
SURE, UNSURE_SHARE = 0.5, 0.015

# Training rows that are searched for the scale, and the nearest that count for a distance.
_SAMPLE, _NEAREST = 4000, 3

# What is no character is taken to be this much farther away, its logarithm this much more spread.
_FARTHER, _SPREAD = 2.2, 1.3

# The least spread, with many training rows and in addition by the root of their number, and the
# most that something is no character, as odds.
_LEAST_SPREAD, _SMALL_SPREAD, _MOST_ODDS = 0.22, 6.0, 0.05

# Limits of the vote's share between which the accuracy of readings is counted.
_SHARES = (0.0, 0.6, 0.8, 0.95, 0.999, 1.0)

_known: WeakKeyDictionary[Any, Reference] = WeakKeyDictionary()


@dataclass(frozen=True)
class Reference:
    """What is usual among the training rows of an estimator.

    `middle` and `spread` are of the logarithm of the distances, by class; `accuracy` belongs to
    the vote's shares `_SHARES`; `odds` are those that something is no character.
    """

    middle: Floats
    spread: Floats
    accuracy: Floats
    odds: float
    rows: Any

    @property
    def distance(self) -> float:
        """The usual distance of a training row from the nearest others."""
        return float(np.exp(np.median(self.middle)))

    def confidence(self, dist: Floats, best: NDArray[np.intp], share: Floats) -> Floats:
        """Of readings: `dist` from the nearest, `best` class index, `share` of the vote."""
        right = np.interp(share, _SHARES, self.accuracy)
        result: Floats = right / (
            1 + self.odds * _strangeness(dist, best, self.middle, self.spread)
        )
        return result


def _strangeness(dist: Floats, best: NDArray[np.intp], middle: Floats, spread: Floats) -> Floats:
    """How much more probable a distance is of what is no character than of one."""
    away = (np.log(np.maximum(dist, 1e-9)) - middle[best]) / spread[best]
    other = (away - np.log(_FARTHER) / spread[best]) / _SPREAD
    # Farther than usual is strange, nearer never is.
    result: Floats = np.exp(np.minimum((away.clip(0) ** 2 - other.clip(None, 0) ** 2) / 2, 60))
    return result / _SPREAD


def nearest_distance(dist: Floats, metric: Any) -> Floats:
    """The mean distance of the nearest few of each row."""
    dist = np.asarray(dist, np.float64)[:, :_NEAREST]
    nearest: Floats = np.asarray(np.sqrt(dist) if metric == "sqeuclidean" else dist).mean(axis=1)
    return nearest


def reference_of(last: Any) -> Reference | None:
    """The scale of a fitted neighbours classifier; None if it holds no rows of its own.

    It is computed once for every fit. An estimator that adds a few rows to another's fit has a
    method ``reference`` instead, which says what its scale is.
    """
    if hasattr(last, "reference"):
        told: Reference | None = last.reference()
        return told
    rows, labels = getattr(last, "_fit_X", None), getattr(last, "_y", None)
    if (
        rows is None
        or labels is None
        or np.ndim(labels) != 1
        or len(rows) < 50
        or not hasattr(last, "kneighbors")
    ):
        return None
    found = _known.get(last)
    if found is None or found.rows is not rows:
        found = _known[last] = _measured(last, rows, np.asarray(labels))
    return found


def _measured(last: Any, rows: Any, labels: NDArray[np.intp]) -> Reference:
    chosen = np.random.default_rng(0).choice(len(rows), min(_SAMPLE, len(rows)), replace=False)
    chosen.sort()
    k = min(last.n_neighbors, len(rows) - 1)
    dist, ind = last.kneighbors(rows[chosen], n_neighbors=k + 1)
    others = ind != chosen[:, None]
    others[others.all(axis=1), -1] = False  # many duplicates: the row itself is beyond them
    dist, ind = dist[others].reshape(-1, k), ind[others].reshape(-1, k)
    weights = last.weights
    weight = weights(dist) if callable(weights) else np.ones_like(dist)
    n_classes = len(last.classes_)
    votes = np.zeros((len(chosen), n_classes))
    for j in range(k):
        np.add.at(votes, (np.arange(len(chosen)), labels[ind[:, j]]), weight[:, j])
    best = votes.argmax(axis=1)
    share = votes.max(axis=1) / np.maximum(votes.sum(axis=1), 1e-300)
    far = nearest_distance(dist, last.metric)
    logs = np.log(np.maximum(far, 1e-9))
    middle, spread = np.empty(n_classes), np.empty(n_classes)
    for c in range(n_classes):
        own = logs[best == c] if (best == c).sum() >= 20 else logs
        low, middle[c], high = np.quantile(own, (0.16, 0.5, 0.84))
        spread[c] = (high - low) / 2
    # Few training rows say little about other hands, and about pages.
    spread = np.maximum(spread, _LEAST_SPREAD + _SMALL_SPREAD / np.sqrt(len(rows)))
    accuracy = _accuracy(share, best == labels[chosen])
    # The odds under which the share of readings that is to be unsure comes below the limit.
    right = np.interp(share, _SHARES, accuracy)
    strange = _strangeness(far, best, middle, spread)
    needed = (right / SURE - 1) / strange
    odds = float(np.quantile(needed, UNSURE_SHARE).clip(1e-12, _MOST_ODDS))
    return Reference(middle, spread, accuracy, odds, rows)


def _accuracy(share: Floats, right: NDArray[np.bool_]) -> Floats:
    """How often readings are right at the limits of the vote's share, never falling with it."""
    limits = np.array(_SHARES)
    bins = np.digitize(share, limits[1:-1])
    n = np.bincount(bins, minlength=len(limits) - 1)
    hits = np.bincount(bins, right, minlength=len(limits) - 1)
    # A few readings count as guessed, so that an empty bin is none of a hundred per cent.
    of_bin = np.maximum.accumulate((hits + 2 * limits[:-1]) / (n + 2))
    return np.concatenate([[min(0.4, of_bin[0])], (of_bin[:-1] + of_bin[1:]) / 2, of_bin[-1:]])
