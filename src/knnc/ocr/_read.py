"""A page read: from an image and an estimator to text, with everything that led to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from knnc.ocr._confidence import SURE, Reference, nearest_distance, reference_of
from knnc.ocr._glyphs import SIDE, normal_form
from knnc.ocr._layout import Layout, lay_out
from knnc.ocr._load import Grey, load_grey
from knnc.ocr._marks import UNKNOWN
from knnc.ocr._parts import Part, TooDense, ink_of_part
from knnc.ocr._sheet import find_sheet, mapped, straightened
from knnc.ocr._turn import quarters_of, turned_by

__all__ = ["Glyph", "Page", "read_page"]

# Alternatives that are told of a character.
_MOST = 5

# Of at least so many characters, the share that has to be unsure for data of another kind.
_FEW, _UNLIKE = 4, 0.6

# The length of a usual image in the form of MNIST, as a vector.
_USUAL_LENGTH = 2400.0


@dataclass(frozen=True)
class Glyph:
    """One character of a page.

    Attributes
    ----------
    box : (int, int, int, int)
        x0, y0, x1, y1 in pixels of the upright image; x1 and y1 are outside.
    label : str
        What it is read as; "?" if its confidence is below ``min_confidence``.
    probability : float
        That of the most probable label, as the estimator's ``predict_proba`` has it; 1 for a mark.
    neighbors : tuple of int
        The nearest training images, nearest first; empty if the estimator has no ``kneighbors``.
    line : int
        From 0, from top to bottom.
    space_before : bool
        Whether a wide gap is before it.
    image : ndarray of shape (28, 28), dtype uint8
        What the estimator was shown.
    confidence : float
        How probable it is that the label is right. It is lower than `probability` where the
        nearest training images are farther away than they are from each other.
    guess : str
        The label that it has, or would have had, without ``min_confidence``.
    alternatives : tuple of (str, float)
        Labels with a share of the vote, the most probable first.
    distances : tuple of float
        How far the nearest training images are.
    is_mark : bool
        Whether it was told by its shape: a sign, a point, a comma, a slash, a bracket.
    """

    box: tuple[int, int, int, int]
    label: str
    probability: float
    neighbors: tuple[int, ...]
    line: int
    space_before: bool
    image: NDArray[np.uint8]
    confidence: float = 1.0
    guess: str = ""
    alternatives: tuple[tuple[str, float], ...] = ()
    distances: tuple[float, ...] = ()
    is_mark: bool = False


@dataclass(frozen=True)
class Page:
    """What is on a page.

    Attributes
    ----------
    glyphs : tuple of Glyph
        In reading order.
    size : (int, int)
        Width and height of the upright image, in pixels.
    degrees : float
        By how much the lines fall to the right; negative: rise. Of a page that was turned by
        quarters, after these.
    quarters : int
        By how many quarters of a circle, clockwise, the image was turned to be read.
    unlike : bool
        Whether most characters are so far from the training images that these are probably
        of something else.
    too_dense : bool
        Whether there is more on it than could be writing, so that nothing was read: a screen of
        dots, a net, noise.
    """

    glyphs: tuple[Glyph, ...]
    size: tuple[int, int]
    degrees: float
    quarters: int = 0
    unlike: bool = False
    too_dense: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """The text of each line."""
        n_lines = 1 + self.glyphs[-1].line if self.glyphs else 0
        texts = ["" for _ in range(n_lines)]
        for glyph in self.glyphs:
            texts[glyph.line] += " " * glyph.space_before + glyph.label
        return tuple(texts)

    @property
    def text(self) -> str:
        """All lines, joined by newlines; empty if there is nothing to read."""
        return "\n".join(self.lines)


def read_page(
    image: Any, estimator: Any, *, min_confidence: float = SURE, page_number: int = 1
) -> Page:
    """Read the characters on a scan or a photograph.

    Parameters
    ----------
    image : str, os.PathLike, PIL.Image.Image or ndarray
        A file (PNG, JPEG, TIFF, BMP, GIF, PPM, WEBP or PDF), or pixels: an array of shape
        (height, width), (height, width, 3) or (height, width, 4), of uint8, uint16, bool, or
        floats from 0 to 1. Dark on light or light on dark, turned by up to 15 degrees; a larger
        image than 16 million pixels is scaled down.
    estimator : classifier
        Fitted on rows of 784 pixels, 28 x 28, in the form of MNIST: what
        :func:`knnc.ocr.normalise` makes of other images. It needs ``predict_proba``; with
        ``kneighbors`` too, or as a Pipeline whose last step has it, touching characters are told
        apart by how near their training images are.
    min_confidence : float, default=0.5
        Characters whose confidence is lower become "?". The scale is set by the training images:
        15 of 1,000 of them, each read without itself, are below 0.5. With 0 every character gets
        a label.
    page_number : int, default=1
        Which page of a file with several: a PDF, which is drawn at 300 dots an inch, or a TIFF.

    Returns
    -------
    page : Page
        With no glyphs if nothing on the image looks like writing.

    Raises
    ------
    ValueError
        If the image is damaged, is none, is too large to be decoded within 2 GB or has no
        pixels, if the file has no such page, if `estimator` takes other rows, or if
        `min_confidence` is not from 0 to 1.
    TypeError
        If `image` is none of these, `page_number` is no integer, or `estimator` has no
        ``predict_proba``.
    OSError
        If the file cannot be opened.
    ImportError
        If Pillow or scikit-image are not installed, or for a PDF pypdfium2.

    Examples
    --------
    >>> from knnc import KNeighborsClassifier
    >>> from knnc.datasets import fetch_mnist
    >>> from knnc.ocr import read_page
    >>> X, y = fetch_mnist(subset="train", return_X_y=True)  # doctest: +SKIP
    >>> read_page("scan.png", KNeighborsClassifier(3).fit(X, y)).text  # doctest: +SKIP
    '31415 926\\n53589 793'
    """
    reader = _Reader(estimator)
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"min_confidence={min_confidence!r} is not from 0 to 1")
    grey = load_grey(image, page_number)
    pixels, back = grey.pixels, np.eye(3)
    corners = find_sheet(pixels)
    if corners is not None:
        pixels, back = straightened(pixels, corners)
    try:
        layouts, back, quarters = _upright(pixels, back, reader)
    except TooDense:
        return Page((), grey.size, 0.0, too_dense=True)
    if not layouts:
        return Page((), grey.size, 0.0)
    lines = [
        (layout, line, spaces)
        for layout in layouts
        for line, spaces in zip(layout.lines, layout.spaces, strict=True)
    ]
    # On the page, from top to bottom: each layout has its scale.
    lines.sort(key=lambda of: float(np.median([_y_of(of[0], part) for part in of[1]])))
    glyphs = []
    for number, (layout, line, spaces) in enumerate(lines):
        images = _images(layout, line)
        readings = reader.read(images, [part.mark for part in line])
        for part, space, reading in zip(line, spaces, readings, strict=True):
            sure = reading["confidence"] >= min_confidence
            glyphs.append(
                Glyph(
                    box=_box(layout, part, back, grey),
                    label=reading["guess"] if sure else "?",
                    line=number,
                    space_before=space,
                    **reading,
                )
            )
    unlike = _unlike(glyphs, reader.reference)
    return Page(tuple(glyphs), grey.size, layouts[0].degrees, quarters, unlike)


def _upright(
    pixels: NDArray[np.uint8], back: NDArray[np.float64], reader: _Reader
) -> tuple[list[Layout], NDArray[np.float64], int]:
    """The writing of a page, turned upright; the matrix back; the quarters turned clockwise."""
    layouts = lay_out(pixels, reader.costs, reader.usual_cost)
    quarters = reader.quarters(layouts[0]) if layouts else 0
    if quarters:
        pixels, turn = turned_by(pixels, quarters)
        layouts, back = lay_out(pixels, reader.costs, reader.usual_cost), back @ turn
    return layouts, back, quarters


def _y_of(layout: Layout, part: Part) -> float:
    middle = np.array([part.left + part.width // 2]), np.array([part.top + part.height // 2])
    return float(layout.frame.back(*middle)[1, 0])


def _unlike(glyphs: Sequence[Glyph], reference: Reference | None) -> bool:
    """Whether most of several characters are no neighbours of the training images."""
    read = [glyph for glyph in glyphs if not glyph.is_mark]
    if reference is None or len(read) < _FEW:
        return False
    return sum(glyph.confidence < SURE for glyph in read) >= _UNLIKE * len(read)


def _images(layout: Layout, parts: Sequence[Part]) -> NDArray[np.uint8]:
    inks = (ink_of_part(layout.ink, layout.mask, part, layout.height) for part in parts)
    images = [normal_form(ink) for ink in inks]
    return np.array(images, np.uint8).reshape(-1, SIDE, SIDE)


def _box(
    layout: Layout, part: Part, back: NDArray[np.float64], grey: Grey
) -> tuple[int, int, int, int]:
    """The part's box on the upright image: of its own pixels, not of its turned box."""
    ys, xs = np.nonzero(part.mask)
    half = np.abs(layout.frame.matrix).sum(axis=1)[:, None] / 2
    centres = layout.frame.back(xs + part.left, ys + part.top)
    low, high = (mapped(back, centres + side) * grey.reduction for side in (-half, half))
    points = np.concatenate([low, high], axis=1)
    x0, y0 = (int(v) for v in np.maximum(np.floor(points.min(axis=1) + 1e-6), 0))
    x1, y1 = (int(v) for v in np.minimum(np.ceil(points.max(axis=1) - 1e-6), grey.size))
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


class _Reader:
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
        steps = getattr(estimator, "steps", None)
        self._last = steps[-1][1] if steps else estimator
        self._first = estimator[:-1] if steps and len(steps) > 1 else None

        self.reference = reference_of(self._last)

    @property
    def usual_cost(self) -> float | None:
        """The cost of a usual training image; None if it is not known."""
        return None if self.reference is None else self.reference.distance / _USUAL_LENGTH

    def _search(self, images: NDArray[np.uint8]) -> tuple[Any, Any]:
        rows = images.reshape(len(images), -1)
        if self._first is not None:
            rows = self._first.transform(rows)
        return self._last.kneighbors(rows)  # type: ignore[no-any-return]

    def quarters(self, layout: Layout) -> int:
        """By how many quarters, clockwise, the page has to be turned."""
        if self.reference is None:
            return 0

        def far(tried: NDArray[np.uint8]) -> NDArray[np.float64]:
            return nearest_distance(self._search(tried)[0], self._last.metric)

        # What is longer than a character may be several.
        longest = 1.5 * layout.height
        parts = [part for part in layout.wholes if max(part.height, part.width) <= longest]
        return quarters_of(_images(layout, parts), far)

    def labels(self, images: NDArray[np.uint8]) -> list[str]:
        """The most probable label of each image."""
        shares = self._estimator.predict_proba(images.reshape(len(images), -1))
        return [str(label) for label in self._estimator.classes_[np.argmax(shares, axis=1)]]

    def read(self, images: NDArray[np.uint8], marks: Sequence[str]) -> list[dict[str, Any]]:
        """Of each image what :class:`Glyph` says about it, without the page's part of it."""
        result: list[dict[str, Any]] = [
            {
                "image": image,
                "guess": mark,
                "probability": 1.0,
                "neighbors": (),
                "confidence": float(mark != UNKNOWN),
                "is_mark": True,
            }
            for image, mark in zip(images, marks, strict=True)
        ]
        chosen = [i for i, mark in enumerate(marks) if not mark]
        if not chosen:
            return result
        images = images[chosen]
        shares = self._estimator.predict_proba(images.reshape(len(images), -1))
        best = np.argmax(shares, axis=1)
        confidence = shares[np.arange(len(best)), best]
        dist = ind = np.empty((len(images), 0))
        if hasattr(self._last, "kneighbors"):
            dist, ind = self._search(images)
        if self.reference is not None:
            far = nearest_distance(dist, self._last.metric)
            confidence = self.reference.confidence(far, best, confidence)
        classes = [str(label) for label in self._estimator.classes_]
        for row, i in enumerate(chosen):
            order = [c for c in np.argsort(-shares[row], kind="stable") if shares[row, c] > 0]
            result[i] |= {
                "guess": classes[best[row]],
                "probability": float(shares[row, best[row]]),
                "confidence": float(confidence[row]),
                "neighbors": tuple(map(int, ind[row])),
                "distances": tuple(map(float, dist[row])),
                "alternatives": tuple((classes[c], float(shares[row, c])) for c in order[:_MOST]),
                "is_mark": False,
            }
        return result

    def costs(self, layout: Layout, parts: Sequence[Part]) -> NDArray[np.float64]:
        """How unlike the training images each part is.

        The mean distance of the nearest, as a share of the length of the image itself: little
        ink is near to other little ink.
        """
        images = _images(layout, parts)
        if not hasattr(self._last, "kneighbors"):
            shares = self._estimator.predict_proba(images.reshape(len(images), -1))
            return 1 - np.asarray(shares.max(axis=1), np.float64)
        metric = getattr(self._last, "metric", None)
        dist = nearest_distance(self._search(images)[0], metric)
        lengths = np.sqrt((images.astype(np.float64) ** 2).sum(axis=(1, 2)))
        result: NDArray[np.float64] = dist / np.maximum(lengths, 1)
        return result
