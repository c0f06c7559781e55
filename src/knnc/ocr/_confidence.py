"""How sure a reading is: by the nearest training images of its label, and of any other.

A character is as sure as what has another label is farther away than what has its own. An image
that is no character at all may have neighbours that agree. It is far from them, though: farther
than training images are from each other. Both scales come from the training rows that a fitted
estimator holds, each searched without itself.

:class:`knnc.image.LocalDiscriminant` drops what digits have in common, which tells letters from
digits. So its neighbours are compared in its second map too. Both together also find more misread
digits than either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_ASKED", "SURE", "Reference", "nearest_distance", "reference_of"]

Floats = NDArray[np.float64]

# Readings with a lower confidence become "?". The confidence is scaled so that this share of the
# training images, each read without itself, is below it: without and with a second map.
SURE, UNSURE_SHARE = 0.5, (0.013, 0.015)

# Training rows that are searched for the scale, the nearest that count for a distance, and those
# of its label and of others that are compared.
_SAMPLE, _NEAREST, _COMPARED = 4000, 3, 2

# So many neighbours are searched for those of another label.
MOST_ASKED = 50

# A distance lowers the margin, a logarithm, by this much for each spread beyond the usual; beyond
# so many spreads, by this times the square of what is beyond. Without and with a second map.
_FAR = (0.05, 3.0, 0.25), (0.12, 2.0, 0.1)

# The confidence of a usual training image, as the logarithm of its odds.
_USUAL_ODDS = 7.0

# The least spread with many training rows, and in addition by the root of their number.
_LEAST_SPREAD = (0.22, 6.0), (0.12, 3.0)

# With few training rows a smaller margin is enough: by this over the root of their number.
_SMALL_LIMIT = 1.0

_known: WeakKeyDictionary[Any, Reference] = WeakKeyDictionary()


@dataclass(frozen=True)
class Reference:
    """What is usual among the training rows of an estimator.

    `middle` and `spread` are of the logarithm of the distances, by class. `limit` is the score
    from which a reading is sure, `scale` the score by which the logarithm of its odds grows by 1.
    `distance` is the usual distance of a training row from the nearest others. If there is a second
    map, `look` applies it to images, `seen` are the training rows in it, and so are `middle` and
    `spread`.
    """

    middle: Floats
    spread: Floats
    limit: float
    scale: float
    rows: Any
    labels: NDArray[np.intp]
    metric: Any
    distance: float
    seen: Any = None
    look: Callable[[Any], Any] | None = None

    def confidence(
        self, dist: Floats, ind: NDArray[np.intp], best: NDArray[np.intp], images: Any = None
    ) -> Floats:
        """Of readings: `dist` and `ind` of the nearest rows, `best` the index of the class."""
        dists = [_plain(dist, self.metric)]
        if self.look is not None:
            dists.append(_apart(self.look(images), self.seen, ind))
        margin = _margin(dists, self.labels[ind] == best[:, None])
        score = margin - _penalty(dists, best, self.middle, self.spread)
        odds = ((score - self.limit) / self.scale).clip(-50, 50)
        result: Floats = 1 / (1 + np.exp(-odds))
        return result


def _plain(dist: Floats, metric: Any) -> Floats:
    dist = np.asarray(dist, np.float64)
    return np.sqrt(dist) if metric == "sqeuclidean" else dist


def _apart(rows: Any, seen: Any, ind: NDArray[np.intp]) -> Floats:
    """The distance of each row from each of its neighbours."""
    rows = np.asarray(rows, np.float32)
    return np.stack([np.linalg.norm(seen[near] - rows, axis=1) for near in ind.T], axis=1)


def _logs(dist: Floats, n: int = _NEAREST) -> Floats:
    """The logarithm of the mean distance of the nearest few of each row, in any order."""
    result: Floats = np.log(np.maximum(np.sort(dist, axis=1)[:, :n].mean(axis=1), 1e-9))
    return result


def _penalty(
    dists: Sequence[Floats], best: NDArray[np.intp], middle: Floats, spread: Floats
) -> Floats:
    """What a distance in the last map takes from the margin; usual ones take nothing."""
    far, too_far, beyond = _FAR[len(dists) - 1]
    away = ((_logs(dists[-1]) - middle[best]) / spread[best]).clip(0)
    result: Floats = far * away + beyond * (away - too_far).clip(0) ** 2
    return result


def _margin(dists: Sequence[Floats], own: NDArray[np.bool_]) -> Floats:
    """How much farther the nearest rows of other labels are than the `own`, as a logarithm.

    The sum over all maps. Rows that were not searched are as far as the farthest that was.
    """
    margin = np.zeros(len(own))
    for dist in dists:
        most = dist.max(axis=1, keepdims=True)
        margin += _logs(np.where(own, most, dist), _COMPARED)
        margin -= _logs(np.where(own, dist, most), _COMPARED)
    return margin


def nearest_distance(dist: Floats, metric: Any) -> Floats:
    """The mean distance of the nearest few of each row."""
    nearest: Floats = _plain(np.asarray(dist)[:, :_NEAREST], metric).mean(axis=1)
    return nearest


def reference_of(estimator: Any) -> Reference | None:
    """The scale of a fitted neighbours classifier, or of a pipeline that ends in one.

    None if it holds no rows of its own. The scale is computed once for every fit. An estimator that
    adds a few rows to another's fit has a method ``reference`` instead, which says what it is.
    """
    if hasattr(estimator, "reference"):
        told: Reference | None = estimator.reference()
        return told
    *first, last = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    rows, labels = getattr(last, "_fit_X", None), getattr(last, "_y", None)
    if (
        rows is None
        or labels is None
        or np.ndim(labels) != 1
        or len(rows) < 50
        or not hasattr(last, "kneighbors")
    ):
        return None
    seen: Any = getattr(first[-1], "_seen", None) if first else None
    if np.shape(seen)[:1] != (len(rows),):  # there is none, or rows were added since
        seen = None
    found = _known.get(last)
    if found is None or found.rows is not rows or found.seen is not seen:
        found = _measured(last, rows, np.asarray(labels), seen)
        if seen is not None:
            found = replace(found, look=partial(_looked, first))
        _known[last] = found
    return found


def _looked(steps: Sequence[Any], images: Any) -> Any:
    """Images in the second map of the last step."""
    *first, mapped = steps
    for step in first:
        images = step.transform(images)
    return mapped._by(images, mapped._look)


def _measured(last: Any, rows: Any, labels: NDArray[np.intp], seen: Any) -> Reference:
    chosen = np.random.default_rng(0).choice(len(rows), min(_SAMPLE, len(rows)), replace=False)
    chosen.sort()
    k = min(max(last.n_neighbors, MOST_ASKED), len(rows) - 1)
    dist, ind = last.kneighbors(rows[chosen], n_neighbors=k + 1)
    others = ind != chosen[:, None]
    others[others.all(axis=1), -1] = False  # many duplicates: the row itself is beyond them
    dists, ind = [_plain(dist[others].reshape(-1, k), last.metric)], ind[others].reshape(-1, k)
    of, n_classes = labels[chosen], len(last.classes_)
    middle, spread = _usual(dists[0], of, n_classes)
    distance = float(np.exp(np.median(middle)))
    if seen is not None:
        dists.append(_apart(seen[chosen], seen, ind))
        middle, spread = _usual(dists[1], of, n_classes)
    # Few training rows say little about other hands, and about pages.
    least, small = _LEAST_SPREAD[len(dists) - 1]
    spread = np.maximum(spread, least + small / np.sqrt(len(rows)))
    # A row whose nearest have another label is read as that one, and is not far from sure then.
    score = np.abs(_margin(dists, labels[ind] == of[:, None]))
    score -= _penalty(dists, of, middle, spread)
    limit, usual = np.quantile(score, (UNSURE_SHARE[len(dists) - 1], 0.5))
    # What was learnt from few rows parts them better than what is read later.
    limit -= _SMALL_LIMIT / np.sqrt(len(rows))
    scale = max(float(usual - limit) / _USUAL_ODDS, 1e-3)
    return Reference(middle, spread, float(limit), scale, rows, labels, last.metric, distance, seen)


def _usual(dist: Floats, of: NDArray[np.intp], n_classes: int) -> tuple[Floats, Floats]:
    """Middle and spread of the logarithms of the distances, by class."""
    logs = _logs(dist)
    parts = [logs[of == c] if (of == c).sum() >= 20 else logs for c in range(n_classes)]
    low, middle, high = np.transpose([np.quantile(part, (0.16, 0.5, 0.84)) for part in parts])
    return middle, (high - low) / 2
