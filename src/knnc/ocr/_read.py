"""A page read: from an image and an estimator to text, with everything that led to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.ocr._confidence import SURE, Reference
from knnc.ocr._layout import Layout, lay_out
from knnc.ocr._load import Grey, load_grey
from knnc.ocr._marks import UNKNOWN
from knnc.ocr._page import Box, Glyph, Page
from knnc.ocr._parts import Part, TooDense
from knnc.ocr._reader import Reader, images_of
from knnc.ocr._sheet import find_sheet, mapped, straightened
from knnc.ocr._steps import page_progress, step
from knnc.ocr._turn import turned_by

__all__ = ["read_again", "read_page", "read_pages"]

# Of at least so many characters, the share that has to be unsure for data of another kind.
_FEW, _UNLIKE = 4, 0.6

# A word of so many characters, half of them unsure, is no number: strokes of printed letters are
# good ones, and a few of them are sure in most words (benchmarks/pages.py --forms).
_WORD = 4


@page_progress()
def read_page(
    image: Any,
    estimator: Any,
    *,
    min_confidence: float = SURE,
    page_number: int = 1,
    whitelist: str | None = None,
    region: Box | None = None,
) -> Page:
    """Read the characters on a scan or a photograph.

    Parameters
    ----------
    image : str, os.PathLike, PIL.Image.Image or ndarray
        A file (PNG, JPEG, TIFF, BMP, GIF, PPM, WEBP or PDF), or pixels: an array of shape
        (height, width), (height, width, 3) or (height, width, 4), of uint8, uint16, bool, or
        floats from 0 to 1. The writing may be dark on light or light on dark, turned by up to 45
        degrees, on its side or upside down. An image of more than 16 million pixels is scaled down.
    estimator : classifier
        Fitted on rows of 784 pixels, 28 x 28, in the form of MNIST, which
        :func:`knnc.ocr.normalise` makes of other images. It needs ``predict_proba``. If it, or the
        last step of a Pipeline, also has ``kneighbors``, touching characters are told apart by how
        near their training images are.
    min_confidence : float, default=0.5
        Characters with a lower confidence become "?". The training images set the scale: 13 or 15
        of 1,000, each read without itself, are below 0.5. With 0 every character gets a label.
    page_number : int, default=1
        Which page of a TIFF, or of a PDF, which is drawn at 300 dots an inch.
    whitelist : str, default=None
        The only characters that are read; any other character becomes "?".
    region : (int, int, int, int), default=None
        x0, y0, x1, y1: only this part of the upright image is read.

    Returns
    -------
    page : Page
        The page that was read. It has no glyphs if nothing on the image looks like writing. Signs,
        points, commas, colons, slashes, percent signs and brackets are recognised by their shape. A
        mark whose shape is not known is "?".

    Raises
    ------
    ValueError
        If the file is not an image, or the image is damaged, has no pixels or is too large to be
        decoded within 2 GB. If the file has no such page. If `estimator` takes rows of another
        length. If `min_confidence` is not from 0 to 1. If `region` is not four numbers, or has no
        pixels of the image.
    TypeError
        If `image` has another type, `page_number` is not an integer, or `estimator` has no
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
    reader = Reader(estimator)
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"min_confidence={min_confidence!r} is not from 0 to 1")
    grey = load_grey(image, page_number)
    pixels, back = _cut_out(grey, region)
    corners = find_sheet(pixels) if region is None else None
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
    step("characters")
    images = np.concatenate([images_of(layout, line) for layout, line, _ in lines])
    marks = [part.mark for _, line, _ in lines for part in line]
    readings = iter(reader.read(images, marks, whitelist))
    glyphs = []
    for number, (layout, line, spaces) in enumerate(lines):
        for part, space in zip(line, spaces, strict=True):
            reading = next(readings)
            reading["confidence"] = min(reading["confidence"], part.sure)
            glyphs.append(
                Glyph(
                    box=_box(layout, part, back, grey),
                    label=_label(reading, min_confidence),
                    line=number,
                    space_before=space,
                    layout_confidence=part.sure,
                    **reading,
                )
            )
    unlike = _unlike(glyphs, reader.reference)
    page = Page(tuple(glyphs), grey.size, layouts[0].degrees, quarters, unlike)
    # What is not in a whitelist is unsure, and says nothing about the rest of its word.
    return page if whitelist is not None else _doubted(page, min_confidence)


def read_again(page: Page, estimator: Any) -> Page:
    """A page whose characters another estimator has read; their places and the marks stay."""
    if not page.glyphs:
        return page
    reader = Reader(estimator)
    images = np.array([glyph.image for glyph in page.glyphs])
    marks = [glyph.guess if glyph.is_mark else "" for glyph in page.glyphs]
    glyphs = []
    for glyph, reading in zip(page.glyphs, reader.read(images, marks), strict=True):
        reading["confidence"] = min(reading["confidence"], glyph.layout_confidence)
        glyphs.append(replace(glyph, label=_label(reading, SURE), **reading))
    page = replace(page, glyphs=tuple(glyphs), unlike=_unlike(glyphs, reader.reference))
    return _doubted(page, SURE)


def _doubted(page: Page, min_confidence: float) -> Page:
    """The page; in a word that is half unsure, no character is surer than that half."""
    glyphs: list[Glyph] = []
    for word in page.words:
        some = word.glyphs
        half = sorted(glyph.confidence for glyph in some)[(len(some) - 1) // 2]
        for glyph in some:
            if len(some) >= _WORD and half < min(SURE, glyph.confidence):
                label = UNKNOWN if half < min_confidence else glyph.label
                glyph = replace(glyph, confidence=half, label=label)
            glyphs.append(glyph)
    return replace(page, glyphs=tuple(glyphs))


def _label(reading: dict[str, Any], min_confidence: float) -> str:
    sure = reading["confidence"] >= min_confidence
    return str(reading["guess"]) if sure else UNKNOWN


def _cut_out(grey: Grey, region: Box | None) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The pixels of a region, and the matrix that takes points of it to the page."""
    if region is None:
        return grey.pixels, np.eye(3)
    try:
        x0, y0, x1, y1 = (round(float(value) / grey.reduction) for value in region)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"region={region!r} is not four numbers: give x0, y0, x1, y1") from None
    x0, y0 = max(0, x0), max(0, y0)
    pixels = grey.pixels[y0 : max(0, y1), x0 : max(0, x1)]
    if pixels.size == 0:
        raise ValueError(
            f"region={region!r} has no pixels of an image of {grey.size[0]} x {grey.size[1]}: give "
            "x0, y0, x1, y1 with x0 < x1 and y0 < y1"
        )
    return pixels, np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1]], np.float64)


def _upright(
    pixels: NDArray[np.uint8], back: NDArray[np.float64], reader: Reader
) -> tuple[list[Layout], NDArray[np.float64], int]:
    """The writing of a page, turned upright; the matrix back; the quarters turned clockwise."""
    layouts = lay_out(pixels, reader.costs, reader.usual_cost)
    quarters = 0
    if layouts:
        quarters = reader.quarters(max(layouts, key=lambda layout: len(layout.wholes)))
    if quarters:
        pixels, turn = turned_by(pixels, quarters)
        layouts, back = lay_out(pixels, reader.costs, reader.usual_cost), back @ turn
    return [layout for layout in layouts if reader.is_writing(layout)], back, quarters


def _y_of(layout: Layout, part: Part) -> float:
    middle = np.array([part.left + part.width // 2]), np.array([part.top + part.height // 2])
    return float(layout.frame.back(*middle)[1, 0])


def _unlike(glyphs: Sequence[Glyph], reference: Reference | None) -> bool:
    """Whether most of several characters are no neighbours of the training images."""
    read = [glyph for glyph in glyphs if not glyph.is_mark]
    if reference is None or len(read) < _FEW:
        return False
    return sum(glyph.confidence < SURE for glyph in read) >= _UNLIKE * len(read)


def _box(
    layout: Layout, part: Part, back: NDArray[np.float64], grey: Grey
) -> tuple[int, int, int, int]:
    """The part's box on the upright image: of its own pixels, not of its turned box."""
    # The first and the last pixel of each row: all others are between these.
    ys = np.flatnonzero(part.mask.any(axis=1))
    mask = part.mask[ys]
    xs = np.append(mask.argmax(axis=1), part.width - 1 - mask[:, ::-1].argmax(axis=1))
    ys = np.append(ys, ys)
    half = np.abs(layout.frame.matrix).sum(axis=1)[:, None] / 2
    centres = layout.frame.back(xs + part.left, ys + part.top)
    low, high = (mapped(back, centres + side) * grey.reduction for side in (-half, half))
    points = np.concatenate([low, high], axis=1)
    x0, y0 = (int(v) for v in np.maximum(np.floor(points.min(axis=1) + 1e-6), 0))
    x1, y1 = (int(v) for v in np.minimum(np.ceil(points.max(axis=1) - 1e-6), grey.size))
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def read_pages(
    images: Iterable[Any], estimator: Any, *, n_jobs: int = 1, **options: Any
) -> Iterator[Page]:
    """Read many images, one after the other or several at a time.

    Parameters
    ----------
    images : iterable
        Images as :func:`read_page` takes them, or pairs of a file and a page number.
    estimator : classifier
        As :func:`read_page` takes it.
    n_jobs : int, default=1
        How many pages are read at a time, each in a thread.
    **options
        Other arguments of :func:`read_page`.

    Yields
    ------
    page : Page
        In the order of `images`. At most twice `n_jobs` images are taken from `images` ahead.

    Raises
    ------
    ValueError
        If `n_jobs` is less than 1. Also any error that :func:`read_page` raises.
    """
    if n_jobs < 1:
        raise ValueError(f"n_jobs={n_jobs!r}: read at least one page at a time")

    def read(image: Any) -> Page:
        if isinstance(image, tuple):
            return read_page(image[0], estimator, page_number=image[1], **options)
        return read_page(image, estimator, **options)

    if n_jobs == 1:
        yield from map(read, images)
        return
    waiting: deque[Future[Page]] = deque()
    with ThreadPoolExecutor(n_jobs) as pool:
        for image in images:
            waiting.append(pool.submit(read, image))
            if len(waiting) == 2 * n_jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
