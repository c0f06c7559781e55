"""How sure a reading is: by the nearest training images of its label, and of any other.

A character is as sure as what has another label is farther away than what has its own. An image
that is no character at all may have neighbours that agree. It is far from them, though: farther
than training images are from each other. Both scales come from the training rows that a fitted
estimator holds, each searched without itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_ASKED", "SURE", "Reference", "nearest_distance", "reference_of"]

Floats = NDArray[np.float64]

# Readings with a lower confidence become "?". The confidence is scaled so that this share of the
# training images, each read without itself, is below it.
SURE, UNSURE_SHARE = 0.5, 0.013

# Training rows that are searched for the scale, the nearest that count for a distance, and those
# of its label and of others that are compared.
_SAMPLE, _NEAREST, _COMPARED = 4000, 3, 2

# So many neighbours are searched for those of another label.
MOST_ASKED = 50

# A distance lowers the margin, a logarithm, by this much for each spread beyond the usual; beyond
# so many spreads, by this times the square of what is beyond.
_FAR, _TOO_FAR, _BEYOND = 0.05, 3.0, 0.25

# The confidence of a usual training image, as the logarithm of its odds.
_USUAL_ODDS = 7.0

# The least spread, with many training rows and in addition by the root of their number.
_LEAST_SPREAD, _SMALL_SPREAD = 0.22, 6.0

# With few training rows a smaller margin is enough: by this over the root of their number.
_SMALL_LIMIT = 1.0

_known: WeakKeyDictionary[Any, Reference] = WeakKeyDictionary()


@dataclass(frozen=True)
class Reference:
    """What is usual among the training rows of an estimator.

    `middle` and `spread` are of the logarithm of the distances, by class. `limit` is the score
    from which a reading is sure, `scale` the score by which the logarithm of its odds grows by 1.
    """

    middle: Floats
    spread: Floats
    limit: float
    scale: float
    rows: Any
    labels: NDArray[np.intp]
    metric: Any

    @property
    def distance(self) -> float:
        """The usual distance of a training row from the nearest others."""
        return float(np.exp(np.median(self.middle)))

    def confidence(self, dist: Floats, ind: NDArray[np.intp], best: NDArray[np.intp]) -> Floats:
        """Of readings: `dist` and `ind` of the nearest rows, `best` the index of the class."""
        dist = _plain(dist, self.metric)
        margin = _margin(dist, self.labels[ind] == best[:, None])
        score = margin - _penalty(dist, best, self.middle, self.spread)
        odds = ((score - self.limit) / self.scale).clip(-50, 50)
        result: Floats = 1 / (1 + np.exp(-odds))
        return result


def _plain(dist: Floats, metric: Any) -> Floats:
    dist = np.asarray(dist, np.float64)
    return np.sqrt(dist) if metric == "sqeuclidean" else dist


def _penalty(dist: Floats, best: NDArray[np.intp], middle: Floats, spread: Floats) -> Floats:
    """What a distance from the nearest rows takes from the margin; usual ones take nothing."""
    logs = np.log(np.maximum(dist[:, :_NEAREST].mean(axis=1), 1e-9))
    away = ((logs - middle[best]) / spread[best]).clip(0)
    result: Floats = _FAR * away + _BEYOND * (away - _TOO_FAR).clip(0) ** 2
    return result


def _margin(dist: Floats, own: NDArray[np.bool_]) -> Floats:
    """How much farther the nearest rows of other labels are than the `own`, as a logarithm.

    Rows that were not searched are as far as the last that was.
    """
    farther = []
    for chosen in (~own, own):
        found = np.where(chosen, dist, dist[:, -1:])
        found.sort(axis=1)
        farther.append(np.log(np.maximum(found[:, :_COMPARED].mean(axis=1), 1e-9)))
    result: Floats = farther[0] - farther[1]
    return result


def nearest_distance(dist: Floats, metric: Any) -> Floats:
    """The mean distance of the nearest few of each row."""
    nearest: Floats = _plain(np.asarray(dist)[:, :_NEAREST], metric).mean(axis=1)
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
    k = min(max(last.n_neighbors, MOST_ASKED), len(rows) - 1)
    dist, ind = last.kneighbors(rows[chosen], n_neighbors=k + 1)
    others = ind != chosen[:, None]
    others[others.all(axis=1), -1] = False  # many duplicates: the row itself is beyond them
    dist = _plain(dist[others].reshape(-1, k), last.metric)
    own = labels[ind[others].reshape(-1, k)] == labels[chosen][:, None]
    logs = np.log(np.maximum(dist[:, :_NEAREST].mean(axis=1), 1e-9))
    n_classes = len(last.classes_)
    middle, spread = np.empty(n_classes), np.empty(n_classes)
    for c in range(n_classes):
        of = labels[chosen] == c
        low, middle[c], high = np.quantile(logs[of] if of.sum() >= 20 else logs, (0.16, 0.5, 0.84))
        spread[c] = (high - low) / 2
    # Few training rows say little about other hands, and about pages.
    spread = np.maximum(spread, _LEAST_SPREAD + _SMALL_SPREAD / np.sqrt(len(rows)))
    # A row whose nearest have another label is read as that one, and is not far from sure then.
    score = _margin(dist, own)
    score = np.abs(score) - _penalty(dist, labels[chosen], middle, spread)
    limit, usual = np.quantile(score, (UNSURE_SHARE, 0.5))
    # What was learnt from few rows parts them better than what is read later.
    limit -= _SMALL_LIMIT / np.sqrt(len(rows))
    scale = max(float(usual - limit) / _USUAL_ODDS, 1e-3)
    return Reference(middle, spread, float(limit), scale, rows, labels, last.metric)
