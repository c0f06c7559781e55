"""Ruled lines out of the ink, the strokes that cross them left whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from knnc.ocr._ink import Ink, strips_of, threshold, widened

__all__ = ["opened", "runs_of", "without_level_lines", "without_rules"]

# A gap in a ruled line that is bridged, in pixels.
_GAP = 9

# Ruled lines are often fainter than writing: what has this share of full ink can be one.
_FAINT = 0.2

# A page has no more ruled lines than that: more is a screen or a net.
_MOST = 500

# By how much a stroke is darker than a line, of full ink.
_DARKER = 0.25

# What a line alone looks like is this percentile along it, over so many times its reach; it is
# as dark as that where nothing tells what is under it.
_ALONE, _ALONG, _CORE = 35, 24, 0.3


def without_rules(ink: Ink, length: float, height: float) -> Ink:
    """Ink without the horizontal and vertical lines that are `length` pixels long or more.

    What is thicker than an eighth of `height`, that of a character, or than a twelfth of `length`
    is no line.
    """
    thickest = min(max(3.0, height / 8), length / 12)
    for turned in (False, True):
        page = without_level_lines(ink.T if turned else ink, length, thickest)
        ink = page.T if turned else page
    return ink


def without_level_lines(ink: Ink, length: float, thickest: float) -> Ink:
    """Ink without the horizontal lines of `length` pixels or more, none thicker than `thickest`."""
    line = _lines(ink > _FAINT, round(length), thickest)
    return ink if line is None else _without(ink, line)


def _lines(mask: NDArray[np.bool_], length: int, thickest: float) -> NDArray[np.bool_] | None:
    """The pixels of long horizontal runs, or None if there are none.

    A run may have gaps, and may step up or down by a pixel where the line is not quite level.
    """
    mask = np.ascontiguousarray(mask)
    runs = opened(widened(mask, 1, 0), length, _GAP)
    if not runs.any():
        return None
    line = mask & runs
    # What is thicker than a line is a picture or the edge of the sheet.
    labels, n = ndimage.label(runs)
    if n > _MOST:
        return None
    if n:
        for index, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
            part = labels[rows, columns] == index
            # Strokes along the line thicken it here and there: the median is the line.
            across = (part & mask[rows, columns]).sum(axis=0)
            across = across[across > 0]
            if len(across) == 0 or np.median(across) > thickest:
                line[rows, columns] &= ~part
    return line if line.any() else None


def opened(mask: NDArray[np.bool_], length: int, gap: int = 0) -> NDArray[np.bool_]:
    """Only the horizontal runs of `length` pixels or more, gaps of up to `gap` filled before."""
    result = np.zeros(mask.shape, bool)
    for rows in strips_of(mask.shape):
        starts, ends = runs_of(mask[rows], length, gap)
        if len(starts):
            marks = np.zeros((rows.stop - rows.start, mask.shape[1] + 1), np.int8)
            flat = marks.reshape(-1)
            flat[starts], flat[ends] = 1, -1
            result[rows] = np.cumsum(flat, dtype=np.int8, out=flat).reshape(marks.shape)[:, :-1]
    return result


def runs_of(
    mask: NDArray[np.bool_], length: int, gap: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where such runs start and where they end, counted in rows of one pixel more."""
    wide = mask.shape[1] + 1
    padded = np.zeros(mask.shape[0] * wide + 1, bool)
    padded[1:].reshape(-1, wide)[:, :-1] = mask
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    starts, ends = edges[::2], edges[1::2]
    if gap and len(starts):
        apart = starts[1:] - ends[:-1] > gap
        apart |= starts[1:] // wide != ends[:-1] // wide
        starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
        # As a closing does that sees the row mirrored at its ends.
        before, after = starts % wide, wide - 1 - ends % wide
        starts = starts - before * (before <= (gap + 1) // 2)
        ends = ends + after * (after <= gap // 2)
    kept = ends - starts >= length
    return starts[kept], ends[kept]


def _without(ink: Ink, line: NDArray[np.bool_]) -> Ink:
    """The line taken away, except where a stroke touches it or is darker than it."""
    labels, n = ndimage.label(widened(line, 1, 1))  # with its soft edges
    if n > _MOST:
        return ink
    result = ink.copy()
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        part = line[rows, columns] & (labels[rows, columns] == index)
        if part.any():
            _take_away(ink, result, part, rows.start, columns.start)
    return result


def _take_away(ink: Ink, result: Ink, part: NDArray[np.bool_], top: int, left: int) -> None:
    """One line: `part` is where it was found, its corner at (`top`, `left`).

    What the line alone looks like across is a low quantile along it: at most places no stroke is
    on it. Where the line is as dark as writing nothing tells what is under it: there the stroke
    is taken to go on that touches it from above or below.
    """
    xs = np.flatnonzero(part.any(axis=0))
    first = part[:, xs].argmax(axis=0)
    last = part.shape[0] - 1 - part[::-1, xs].argmax(axis=0)
    across = part[:, xs].sum(axis=0)
    reach = int(np.ceil(np.median(across) / 2)) + 3
    window = min(len(xs), _ALONG * reach) | 1
    middles = ndimage.median_filter((first + last) / 2, window, mode="nearest")
    ys = np.floor(middles + 0.5).astype(int) + np.arange(-reach, reach + 1)[:, None] + top
    inside = (ys >= 0) & (ys < ink.shape[0])
    ys = ys.clip(0, ink.shape[0] - 1)
    here = np.where(inside, ink[ys, xs + left], 0)
    alone = ndimage.percentile_filter(here, _ALONE, size=(1, window), mode="nearest")
    alone[[0, -1]] = 0
    stroke = (here > alone + _DARKER) & (here > _FAINT)
    core = alone > _CORE
    # The rows next to the core, above and below, tell whether a stroke touches it.
    n = len(here)
    above, below = core.argmax(axis=0) - 1, n - core[::-1].argmax(axis=0)
    some = core.any(axis=0)
    columns = np.arange(len(xs))
    sure = stroke & threshold(here)
    comes = some & sure[np.maximum(above, 0), columns]
    goes = some & sure[np.minimum(below, n - 1), columns]
    # A stroke may lean: what goes in at one column may come out beside it.
    lean = round(float(np.median(core.sum(axis=0)))) + 1
    touched = comes | goes
    between = opened(touched[None], 1, lean)[0] & _near(comes, 2 * lean) & _near(goes, 2 * lean)
    touched |= between
    kept = stroke | (core & touched)
    result[ys[inside & ~kept], np.broadcast_to(xs + left, ys.shape)[inside & ~kept]] = 0


def _near(flags: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    near = ndimage.maximum_filter1d(flags.view(np.uint8), size, mode="constant")
    return np.asarray(near, dtype=bool)
