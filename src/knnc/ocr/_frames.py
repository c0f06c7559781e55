"""Boxes, combs, frames and tables, and what runs along the edge of a page: not writing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from knnc.ocr._ink import Ink, threshold, widened
from knnc.ocr._parts import Part, character_height, dilated
from knnc.ocr._rules import opened, runs_of, without_level_lines

__all__ = ["is_frame", "without_edges", "without_frames", "without_parts"]

Mask = NDArray[np.bool_]

# A side of a box is a straight run of this share of the box's width or height, with gaps of up to
# so many pixels, and within this share of the width or height of its border.
_RUN, _GAP, _BORDER = 0.75, 3, 0.15

# A side is no thicker than this share of the shorter side of the box.
_THICK = 0.14

# Smaller boxes than this, in pixels, are characters.
_SMALLEST = 12

# A box is higher, in characters, than this.
_HIGHER = 1.12

# At the edge of the page a piece is long from so many heights of a character on.
_LONG_EDGE = 1.6

# A line is long from this length on, in heights of a character; a dashed one has at least so many
# dashes with gaps of at most this many heights.
_LONG, _DASHES, _DASH_GAP = 1.2, 5, 0.25


def is_frame(part: Part) -> bool:
    """Whether a piece of ink has straight sides: both upright ones, and a level one at an end."""
    if min(part.height, part.width) < _SMALLEST or not _may_be(part.mask):
        return False
    level = _runs(part.mask, _RUN * part.width)
    if level is None or not _at(level, part.height):
        return False
    upright = _runs(part.mask.T, _RUN * part.height)
    if upright is None:
        return False
    edge = max(2, round(_BORDER * part.width))
    return bool(upright[:edge].any() and upright[-edge:].any())


def _may_be(mask: Mask) -> bool:
    """A quick look: whether ink is piled up at both upright sides and in a row."""
    height, width = mask.shape
    edge = max(2, round(_BORDER * width))
    piles = mask.sum(axis=0)
    upright = piles[:edge].max() >= 0.4 * height and piles[-edge:].max() >= 0.4 * height
    return bool(upright and mask.sum(axis=1).max() >= 0.4 * width)


def _at(level: Mask, height: int) -> bool:
    edge = max(2, round(_BORDER * height))
    return bool(level[:edge].any() or level[-edge:].any())


def _runs(mask: Mask, length: float) -> Mask | None:
    """Which rows have a thin straight run of `length`, which may step by a pixel."""
    thick = mask.copy()
    thick[1:] |= mask[:-1]
    starts, _ = runs_of(thick, round(length), _GAP)
    rows: Mask = np.zeros(len(mask), bool)
    rows[starts // (mask.shape[1] + 1)] = True
    for start, end in zip(*runs_of(rows[None], 1), strict=True):
        rows[start:end] = end - start <= max(5.0, 2 + _THICK * min(mask.shape))
    return rows if rows.any() else None


def without_frames(ink: Ink, parts: Sequence[Part], height: float) -> Ink:
    """Ink without boxes, combs, tables and dashed lines.

    `parts` are its pieces, `height` is that of a character.
    The sides go, and a stroke that crosses them stays.
    """
    result = ink
    for part in parts:
        if max(part.height, part.width) > _HIGHER * height and is_frame(part):
            result = ink.copy() if result is ink else result
            _open_frame(ink, result, part, height)
    return _without_dashes(result, height)


def _open_frame(ink: Ink, result: Ink, part: Part, height: float) -> None:
    """Take the sides of one frame out of `result`; `ink` is the page with them."""
    edge = 3
    y0, x0 = max(0, part.top - edge), max(0, part.left - edge)
    rows, columns = slice(y0, part.bottom + edge), slice(x0, part.right + edge)
    own = np.zeros(ink[rows, columns].shape, bool)
    y, x = part.top - y0, part.left - x0
    own[y : y + part.height, x : x + part.width] = part.mask
    # With its soft edges, and without what is inside the frame and no part of it.
    others = threshold(ink[rows, columns]) & ~own
    soft = dilated(own, 2) & ~others
    left = np.where(soft, ink[rows, columns], 0).astype(np.float32)
    sides = np.zeros(own.shape, bool)
    for upright, extent in enumerate((part.width, part.height)):
        length, thickest = min(3 * height, _RUN * extent), max(3.0, height / 6)
        whole = own.T if upright else own
        thick = whole.copy()
        thick[1:] |= whole[:-1]
        runs = opened(thick, round(length), _GAP)
        sides |= runs.T if upright else runs
        page = without_level_lines(left.T if upright else left, length, thickest)
        left = page.T if upright else page
    # What is left along the sides, and crumbs, are rests of them.
    near = dilated(sides, 2)
    labels, n = ndimage.label(threshold(left), np.ones((3, 3), int))
    index = range(1, n + 1)
    beside = np.asarray(ndimage.mean(near, labels, index) if n else [], float) > 0.8
    large = np.array(
        [
            max(r.stop - r.start, c.stop - c.start) >= 0.35 * height
            for r, c in ndimage.find_objects(labels)
        ],
        bool,
    )
    kept = np.concatenate([[False], large & ~beside])[labels]
    kept = dilated(kept, 2) & soft
    result[rows, columns][soft & ~kept] = 0


def _without_dashes(ink: Ink, height: float) -> Ink:
    """Ink without dashed and dotted lines."""
    for upright in (False, True):
        page = ink.T if upright else ink
        mask = np.ascontiguousarray(threshold(page))
        gap = max(3, round(_DASH_GAP * height))
        whole = opened(mask, round(_LONG * height), gap)
        # Runs of ink as long as a stroke are no dashes.
        dashes = mask & whole & ~opened(mask, round(0.5 * height))
        labels, n = ndimage.label(whole)
        if n == 0:
            continue
        starts = dashes & ~np.pad(dashes, ((0, 0), (1, 0)))[:, :-1]
        # A dash has paper above and below it, a stroke that is cut across has ink.
        thickest = round(max(3.0, height / 7))
        around = np.pad(mask, ((thickest, thickest), (0, 0)))
        crossed = dashes & (around[: -2 * thickest] | around[2 * thickest :])
        gone = np.zeros(mask.shape, bool)
        for index, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
            own = labels[rows, columns] == index
            inked = dashes[rows, columns] & own
            n_dashes = (starts[rows, columns] & own).sum(axis=1).max()
            share = inked.sum() / own.sum()
            if (
                n_dashes >= _DASHES
                and own.shape[0] <= thickest + 1
                and 0.25 < share < 0.85
                and (crossed[rows, columns] & own).sum() <= 0.3 * inked.sum()
            ):
                gone[rows, columns] |= own
        if gone.any():
            page = np.where(widened(gone, 2, 1), np.float32(0), page)
            ink = page.T if upright else page
    return ink


def without_edges(ink: Ink, parts: Sequence[Part]) -> Ink:
    """Ink without what touches the edge of the page and is long: the edge of a sheet, a shadow."""
    rows, columns = ink.shape
    outer, others = [], []
    for part in parts:
        # Along which edge it lies, and how far it reaches into the page.
        sides = [
            (part.height, part.width, part.left <= 1 or part.right >= columns - 1),
            (part.width, part.height, part.top <= 1 or part.bottom >= rows - 1),
        ]
        at_edge = [(along, reach) for along, reach, touches in sides if touches]
        if at_edge:
            outer.append((part, at_edge))
        else:
            others.append(part)
    inner = character_height(others)
    long = [
        part
        for part, at_edge in outer
        if any(along > _LONG_EDGE * inner > 0 and reach < inner for along, reach in at_edge)
    ]
    return without_parts(ink, long)


def without_parts(ink: Ink, parts: Sequence[Part]) -> Ink:
    """Ink without these pieces and their soft edges."""
    result = ink.copy() if parts else ink
    for part in parts:
        y0, x0 = max(0, part.top - 2), max(0, part.left - 2)
        place = result[y0 : part.bottom + 2, x0 : part.right + 2]
        own = np.zeros(place.shape, bool)
        y, x = part.top - y0, part.left - x0
        own[y : y + part.height, x : x + part.width] = part.mask
        place[dilated(own, 2)] = 0
    return result
