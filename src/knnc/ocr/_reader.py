"""An estimator, asked in the ways that reading a page needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from knnc.ocr._confidence import MOST_ASKED, SURE, nearest_distance, reference_of
from knnc.ocr._glyphs import SIDE, normal_form
from knnc.ocr._layout import Layout
from knnc.ocr._marks import UNKNOWN
from knnc.ocr._parts import Part, ink_of_part
from knnc.ocr._turn import MOST, quarters_of

__all__ = ["Reader", "images_of"]

# Alternatives that are told of a character.
_MOST = 5

# Marks that may be characters: an eight has two holes.
_LIKE_CHARACTERS = "%"

# The length of a usual image in the form of MNIST, as a vector.
_USUAL_LENGTH = 2400.0


def images_of(layout: Layout, parts: Sequence[Part]) -> NDArray[np.uint8]:
    inks = (ink_of_part(layout.ink, layout.mask, part, layout.height) for part in parts)
    images = [normal_form(ink) for ink in inks]
    return np.array(images, np.uint8).reshape(-1, SIDE, SIDE)


def _flat(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images.reshape(len(images), -1)


class Reader:
    """An estimator, asked in the ways that reading needs."""

    def __init__(self, estimator: Any) -> None:
        check_is_fitted(estimator)
        if not hasattr(estimator, "predict_proba"):
            raise TypeError(f"{type(estimator).__name__} has no predict_proba")
        n_features = getattr(estimator, "n_features_in_", SIDE * SIDE)
        if n_features != SIDE * SIDE:
            raise ValueError(
                f"the estimator was fitted on rows of {n_features} pixels, characters are rows "
                f"of {SIDE * SIDE}: fit it on knnc.ocr.normalise(images)"
            )
        self._estimator = estimator
        self.classes = [str(label) for label in estimator.classes_]
        # The neighbours are those of the estimator, or of the first that votes in it.
        for one in (estimator, *getattr(estimator, "estimators_", ())):
            steps = getattr(one, "steps", None)
            self._last = steps[-1][1] if steps else one
            self._first = one[:-1] if steps and len(steps) > 1 else None
            self.reference = reference_of(one)
            if self.reference is not None:
                break
        # Whether it is those steps and that last one and nothing else.
        self._whole = one is estimator and (one is self._last or isinstance(one, Pipeline))
        self._has_neighbors = hasattr(self._last, "kneighbors")

    @property
    def usual_cost(self) -> float | None:
        """The cost of a usual training image; None if it is not known."""
        return None if self.reference is None else self.reference.distance / _USUAL_LENGTH

    def _rows(self, images: NDArray[np.uint8]) -> Any:
        """What the neighbours are searched for."""
        rows = _flat(images)
        return rows if self._first is None else self._first.transform(rows)

    def _search(self, images: NDArray[np.uint8]) -> tuple[Any, Any]:
        return self._last.kneighbors(self._rows(images))  # type: ignore[no-any-return]

    def quarters(self, layout: Layout) -> int:
        """By how many quarters, clockwise, the page has to be turned."""
        if self.reference is None:
            return 0

        def far(tried: NDArray[np.uint8]) -> NDArray[np.float64]:
            return nearest_distance(self._search(tried)[0], self._last.metric)

        # What is longer than a character may be several.
        longest = 1.5 * layout.height
        parts = [part for part in layout.wholes if max(part.height, part.width) <= longest]
        return quarters_of(images_of(layout, parts[:: max(1, -(-len(parts) // MOST))]), far)

    def is_writing(self, layout: Layout) -> bool:
        """Whether what a layout has is characters, where that is doubtful."""
        parts = [part for part in layout.wholes if not part.mark]
        if self.usual_cost is None or not parts or layout.most_cost == np.inf:
            return True
        return float(np.median(self.costs(layout, parts))) <= layout.most_cost * self.usual_cost

    def labels(self, images: NDArray[np.uint8]) -> list[str]:
        """The most probable label of each image."""
        shares = self._estimator.predict_proba(_flat(images))
        return [self.classes[c] for c in np.argmax(shares, axis=1)]

    def read(
        self, images: NDArray[np.uint8], marks: Sequence[str], allowed: str | None = None
    ) -> list[dict[str, Any]]:
        """Of each image what :class:`Glyph` says about it, without the page's part of it.

        Only labels and marks in `allowed` are read, if it is not None.
        """
        result: list[dict[str, Any]] = [
            {
                "image": image,
                "guess": mark,
                "probability": 1.0,
                "neighbors": (),
                "confidence": float(mark != UNKNOWN and (allowed is None or mark in allowed)),
                "is_mark": True,
            }
            for image, mark in zip(images, marks, strict=True)
        ]
        chosen = [i for i, mark in enumerate(marks) if not mark or mark in _LIKE_CHARACTERS]
        if not chosen:
            return result
        images = images[chosen]
        # The steps before the last one are gone through once.
        rows = self._rows(images)
        if self._whole:
            shares = np.asarray(self._last.predict_proba(rows), np.float64)
        else:
            shares = np.asarray(self._estimator.predict_proba(_flat(images)), np.float64)
        if allowed is not None:
            shares = shares * np.array([label in allowed for label in self.classes])
        best = np.argmax(shares, axis=1)
        confidence = shares[np.arange(len(best)), best]
        dist, ind = np.empty((len(images), 0)), np.empty((len(images), 0), np.intp)
        if self._has_neighbors:
            k = self._last.n_neighbors
            most = max(k, min(MOST_ASKED, len(self.reference.rows))) if self.reference else k
            dist, ind = self._last.kneighbors(rows, n_neighbors=most)
            if self.reference is not None:
                confidence = self.reference.confidence(dist, ind, best, _flat(images))
            dist, ind = dist[:, :k], ind[:, :k]
        for row, i in enumerate(chosen):
            if marks[i]:
                # What is surely a character is not surely a mark.
                if confidence[row] >= SURE:
                    result[i]["confidence"] *= 1 - float(confidence[row])
                continue
            order = [c for c in np.argsort(-shares[row], kind="stable") if shares[row, c] > 0]
            result[i] |= {
                "guess": self.classes[best[row]] if order else UNKNOWN,
                "probability": float(shares[row, best[row]]),
                "confidence": float(confidence[row]) if order else 0.0,
                "neighbors": tuple(map(int, ind[row])),
                "neighbor_labels": self._labels_of(ind[row]),
                "distances": tuple(map(float, dist[row])),
                "alternatives": tuple(
                    (self.classes[c], float(shares[row, c])) for c in order[:_MOST]
                ),
                "is_mark": False,
            }
        return result

    def _labels_of(self, rows: NDArray[np.intp]) -> tuple[str, ...]:
        labels = getattr(self._last, "_y", None)
        if labels is None or np.ndim(labels) != 1:
            return ()
        return tuple(self.classes[c] for c in np.asarray(labels)[rows])

    def costs(self, layout: Layout, parts: Sequence[Part]) -> NDArray[np.float64]:
        """How unlike the training images each part is.

        The mean distance of the nearest, as a share of the length of the image itself: little
        ink is near to other little ink.
        """
        images = images_of(layout, parts)
        if not self._has_neighbors:
            shares = self._estimator.predict_proba(_flat(images))
            return 1 - np.asarray(shares.max(axis=1), np.float64)
        metric = getattr(self._last, "metric", None)
        dist = nearest_distance(self._search(images)[0], metric)
        rows = _flat(images)  # squared without a copy in floats
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64, casting="unsafe"))
        result: NDArray[np.float64] = dist / np.maximum(lengths, 1)
        return result
