"""Ruled lines out of the ink, the strokes that cross them left whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from knnc.ocr._ink import Ink, threshold

__all__ = ["without_rules"]

# A gap in a ruled line that is bridged, in pixels.
_GAP = 9

# Ruled lines are often fainter than writing: what has this share of full ink can be one.
_FAINT = 0.2

# By how much a stroke is darker than a line, of full ink.
_DARKER = 0.25


def without_rules(ink: Ink, length: float, height: float) -> Ink:
    """Ink without the horizontal and vertical lines that are `length` pixels long or more.

    What is thicker than an eighth of `height`, that of a character, or than a twelfth of `length`
    is no line.
    """
    for turned in (False, True):
        page = ink.T if turned else ink
        line = _lines(page > _FAINT, round(length), min(max(3.0, height / 8), length / 12))
        if line is not None:
            page = _without(page, line)
            ink = page.T if turned else page
    return ink


def _lines(mask: NDArray[np.bool_], length: int, thickest: float) -> NDArray[np.bool_] | None:
    """The pixels of long horizontal runs, or None if there are none.

    A run may have gaps, and may step up or down by a pixel where the line is not quite level.
    """
    thick = mask.copy()
    thick[1:] |= mask[:-1]
    thick[:-1] |= mask[1:]
    runs = _opened(_closed(thick, _GAP), length)
    if not runs.any():
        return None
    line = mask & runs
    # What is thicker than a line is a picture or the edge of the sheet.
    labels, n = ndimage.label(runs)
    if n:
        for index, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
            part = labels[rows, columns] == index
            # Strokes along the line thicken it here and there: the median is the line.
            across = (part & mask[rows, columns]).sum(axis=0)
            across = across[across > 0]
            if len(across) == 0 or np.median(across) > thickest:
                line[rows, columns] &= ~part
    return line if line.any() else None


def _closed(mask: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """Horizontal gaps of up to `gap` pixels filled."""
    closed = ndimage.grey_closing(mask.view(np.uint8), size=(1, gap + 1))
    return np.asarray(closed, dtype=bool)


def _opened(mask: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Only the horizontal runs of `length` pixels or more; in time linear in the pixels."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    edges = np.diff(padded, axis=1).ravel()  # a row of width + 1
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    kept = ends - starts >= length
    marks = np.zeros(edges.shape, np.int8)
    marks[starts[kept]] = 1
    marks[ends[kept]] = -1
    runs = marks.reshape(padded.shape[0], -1)
    return np.cumsum(runs, axis=1, dtype=np.int8)[:, :-1].astype(bool)


def _without(ink: Ink, line: NDArray[np.bool_]) -> Ink:
    """The line taken away, except where a stroke comes in above and goes out below."""
    fat = ndimage.binary_dilation(line, np.ones((3, 1), bool))  # its soft edges
    mask = threshold(ink) & ~fat
    labels, _ = ndimage.label(ndimage.binary_dilation(fat, np.ones((1, 3), bool)))
    ink = ink.copy()
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        part = fat[rows, columns] & (labels[rows, columns] == index)
        top, bottom = rows.start, rows.stop
        columns_with = part.any(axis=0)
        first = np.where(columns_with, part.argmax(axis=0), 0) + top
        last = bottom - 1 - np.where(columns_with, part[::-1].argmax(axis=0), 0)
        xs = np.arange(columns.start, columns.stop)
        above = mask[np.maximum(first - 1, 0), xs] & (first > 0)
        below = mask[np.minimum(last + 1, ink.shape[0] - 1), xs] & (last + 1 < ink.shape[0])
        # A stroke may lean: what goes in at one column may come out beside it.
        lean = 2 * (bottom - top if bottom - top < 8 else 4) // 2 + 1
        crossed = _near(above, lean) & _near(below, lean) & (_near(above, 3) | _near(below, 3))
        piece = ink[rows, columns]
        # What is darker than the line itself is a stroke that runs along it.
        darkest = np.where(part, piece, 0).max(axis=0)[columns_with]
        level = float(np.median(darkest)) + _DARKER
        piece[part & ~crossed & (piece < level)] = 0
    return ink


def _near(flags: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    near = ndimage.maximum_filter1d(flags.view(np.uint8), size, mode="constant")
    return np.asarray(near, dtype=bool)
